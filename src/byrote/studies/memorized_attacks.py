"""O36: adversarial training memorizes adversarial examples."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from byrote.designs.half_subset_pairs import half_subset_pairs
from byrote.stats.verdicts import Verdict
from byrote.studies.attacks import judged_by, on_attacks
from byrote.studies.before_overfitting import whole_pairs
from byrote.studies.bench import Bench
from byrote.studies.catalog import study


def more_memorized(
    attacked: Bool[np.ndarray, "model example"],
    plain: Bool[np.ndarray, "model example"],
    member: Bool[np.ndarray, "model example"],
) -> Float[np.ndarray, " pair"]:
    """How much more accuracy members have than non-members by the first answers than by the second, by pair.

    Models 2k and 2k + 1 are mates, of which each trains on what the other leaves out; both answers are of models with
    the same members.
    """
    gaps = [
        [right[mine].mean() - right[~mine].mean() for right, mine in zip(answers, member, strict=True)]
        for answers in (attacked, plain)
    ]
    by_model = np.array(gaps[0], np.float64) - np.array(gaps[1], np.float64)
    return np.asarray(by_model.reshape(-1, 2).mean(1))


def simulated(rng: np.random.Generator, units: int, gap: float) -> Float[np.ndarray, " unit"]:
    """The effect where members are right so much more often under attack, and .1 more often without it."""
    half = np.stack([rng.permutation(400) < 200 for _ in range(units)])
    member = np.stack([half, ~half], axis=1).reshape(2 * units, 400)
    attacked, plain = (rng.random(member.shape) < 0.7 + more * member for more in (gap, 0.1))
    return more_memorized(attacked, plain, member)


@study(
    claim="O36",
    section="5.4",
    says="DNNs tend to memorize adversarial examples during adversarial training.",
    effect="accuracy on members minus accuracy on non-members, under attack after adversarial training, minus the same "
    "without attack after plain training",
    unit="pair of models, trained on the two halves of the data",
    margin=0.0,
    minutes=0.7,
    caveat="Members minus non-members is label memorization, the mean over examples. Attacks are PGD within a tenth of "
    "the range of the inputs, of 5 steps in the training and of 20 afterwards.",
    null=lambda rng, units: simulated(rng, units, 0.1),
    planted=lambda rng, units: simulated(rng, units, 0.25),
)
def memorized_attacks(bench: Bench) -> Verdict:
    """Train pairs of models plainly and adversarially on the same halves, and attack the latter."""
    data = bench.dataset
    rng = np.random.default_rng([bench.seed, 3])
    design = half_subset_pairs(len(data), 2 * bench.units, rng=rng, groups=data.groups)
    plain = bench.train(data, design, name="plain", checkpoints=2)
    robust = bench.train(
        data, design, name="attacked", recipe=on_attacks(bench), checkpoints=2, probes=(judged_by(data),)
    )
    models = whole_pairs(np.intersect1d(plain.models(), robust.models()))
    attacked = np.asarray(robust.load("adversarial.correct", models), bool)
    clean = np.asarray(plain.load("outputs.correct", models), bool)
    return bench.verdict(more_memorized(attacked, clean, np.asarray(plain.load("design.member", models) == 1, bool)))
