"""R72: adversarial training raises the risk of membership inference."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from byrote.designs.half_subset_pairs import half_subset_pairs
from byrote.results import PerModelExample
from byrote.runs.run import Run
from byrote.stats.ranking import auroc
from byrote.stats.verdicts import Verdict
from byrote.studies.attacks import judged_by, on_attacks
from byrote.studies.before_overfitting import whole_pairs
from byrote.studies.bench import Bench
from byrote.studies.catalog import study


def better_told(
    robust: Float[np.ndarray, "model example"],
    plain: Float[np.ndarray, "model example"],
    member: Bool[np.ndarray, "model example"],
) -> Float[np.ndarray, " pair"]:
    """How much higher the AUROC of the first scores is than that of the second, by pair; 2k and 2k + 1 are mates.

    Examples of which either score is undefined do not count.
    """
    found = []
    for one, other, mine in zip(robust, plain, member, strict=True):
        known = np.isfinite(one) & np.isfinite(other)
        found.append(auroc(one[known], mine[known]) - auroc(other[known], mine[known]))
    return np.asarray(np.array(found, np.float64).reshape(-1, 2).mean(1))


def simulated(rng: np.random.Generator, units: int, shift: float) -> Float[np.ndarray, " unit"]:
    """The effect of scores that are so much higher for members, beside scores that are .3 higher."""
    half = np.stack([rng.permutation(400) < 200 for _ in range(units)])
    member = np.stack([half, ~half], axis=1).reshape(2 * units, 400)
    robust, plain = (rng.normal(size=member.shape) + of * member for of in (shift, 0.3))
    return better_told(robust, plain, member)


@study(
    claim="R72",
    section="5.4",
    says="Adversarial examples are atypical and more complex than standard ones, leading DNNs to memorize them and "
    "increasing vulnerability to privacy attacks during adversarial training.",
    effect="AUROC of LiRA by the worst answers near each example after adversarial training, minus its AUROC by clean "
    "answers after plain training",
    unit="pair of models, trained on the two halves of the data",
    margin=0.0,
    minutes=2.2,
    caveat="Pairs are attacked with each other as references, so that they are not wholly independent. The attacker "
    "has the gradients of the models that are trained adversarially.",
    null=lambda rng, units: simulated(rng, units, 0.3),
    planted=lambda rng, units: simulated(rng, units, 0.7),
)
def attacks_show_members(bench: Bench) -> Verdict:
    """Train pairs of models plainly and adversarially on the same halves, and attack membership in both."""
    data = bench.dataset
    rng = np.random.default_rng([bench.seed, 3])
    design = half_subset_pairs(len(data), 2 * bench.units, rng=rng, groups=data.groups)
    plain = bench.train(data, design, name="plain", checkpoints=2)
    robust = bench.train(
        data, design, name="attacked", recipe=on_attacks(bench), checkpoints=2, probes=(judged_by(data),)
    )
    models = whole_pairs(np.intersect1d(plain.models(), robust.models()))
    member = np.asarray(plain.load("design.member", models) == 1, bool)
    return bench.verdict(
        better_told(scores(robust, "lira[adversarial]", models), scores(plain, "lira", models), member)
    )


def scores(run: Run, key: str, models: np.ndarray) -> Float[np.ndarray, "model example"]:
    """Those of an attack on these models, which are one another's references."""
    result = run.measured_on(key, models)
    assert isinstance(result, PerModelExample)
    return np.asarray(result.values, np.float64)
