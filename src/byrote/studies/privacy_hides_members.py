"""O39: differential privacy makes data points indistinguishable."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from jaxtyping import Float

from byrote.designs.half_subset_pairs import half_subset_pairs
from byrote.recipes.optimizers import SGD
from byrote.stats.verdicts import Verdict
from byrote.studies.bench import DIGITS, Bench
from byrote.studies.catalog import study
from byrote.studies.private_training import by_pair, privately, told_apart, trained

#: The epsilon of each model.
EPSILON: Final = 8.0


def hidden(plain: Float[np.ndarray, " pair"], private: Float[np.ndarray, " pair"]) -> Float[np.ndarray, " pair"]:
    """How much less well members are told after private training, by pair."""
    return np.asarray(plain - private)


def simulated(rng: np.random.Generator, units: int, shift: float) -> Float[np.ndarray, " unit"]:
    """The effect of log-odds that are 2 higher for members in plain models, and so much higher in private ones."""
    half = np.stack([rng.permutation(140) < 70 for _ in range(units)])
    member = np.stack([half, ~half], axis=1).reshape(2 * units, 140)
    plain, private = (by_pair(rng.normal(size=member.shape) + of * member, member) for of in (2.0, shift))
    return hidden(plain, private)


@study(
    claim="O39",
    section="5.5",
    says="DP applies random noise and gradient clipping to ensure indistinguishability between various data points.",
    effect="AUROC with which wrong labels are told to be a model's own, its mate beside it: after plain training minus "
    "after private training (epsilon 8 for each model)",
    unit="pair of models, trained on the two halves of the data",
    margin=0.1,
    minutes=0.3,
    recipe=replace(DIGITS, optimizer=SGD(lr=0.1, momentum=0.9)),
    caveat="One attack on one kind of example: a low AUROC confirms no guarantee. Private models fit less of "
    "everything, which is a part of how they hide.",
    null=lambda rng, units: simulated(rng, units, 1.16),
    planted=lambda rng, units: simulated(rng, units, 0.3),
)
def privacy_hides_members(bench: Bench) -> Verdict:
    """Train pairs plainly and privately on the same halves with one label in ten wrong."""
    data = bench.noisy(0.1)
    rng = np.random.default_rng([bench.seed, 3])
    design = half_subset_pairs(len(data), 2 * bench.units, rng=rng, groups=data.groups)
    plain = told_apart(trained(bench, "plain", data, design, bench.recipe))
    private = told_apart(trained(bench, "private", data, design, privately(bench.recipe, design, EPSILON)))
    return bench.verdict(hidden(plain, private) if len(plain) == len(private) else np.zeros(0))
