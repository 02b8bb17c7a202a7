"""R75: of the two halves of private training, clipping protects more than noise does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from byrote.designs.half_subset_pairs import half_subset_pairs
from byrote.recipes.optimizers import SGD
from byrote.stats.verdicts import Verdict
from byrote.studies.bench import DIGITS, Bench
from byrote.studies.catalog import study
from byrote.studies.privacy_hides_members import EPSILON
from byrote.studies.private_training import by_pair, privately, told_apart, trained


def clipped_less(noisy: Float[np.ndarray, " pair"], clipped: Float[np.ndarray, " pair"]) -> Float[np.ndarray, " pair"]:
    """How much less well members are told where gradients are clipped than where noise is added, by pair."""
    return np.asarray(noisy - clipped)


def simulated(rng: np.random.Generator, units: int, shift: float) -> Float[np.ndarray, " unit"]:
    """The effect of log-odds that are 2 higher for members under noise, and so much higher under clipping."""
    half = np.stack([rng.permutation(140) < 70 for _ in range(units)])
    member = np.stack([half, ~half], axis=1).reshape(2 * units, 140)
    noisy, clipped = (by_pair(rng.normal(size=member.shape) + of * member, member) for of in (2.0, shift))
    return clipped_less(noisy, clipped)


@study(
    claim="R75",
    section="5.5",
    says="Of DP-SGD, clipping alone already protects, and noise alone does not.",
    effect="AUROC with which wrong labels are told to be a model's own, its mate beside it: with the noise of epsilon "
    "8 and no clipping, minus with clipping and no noise",
    unit="pair of models, trained on the two halves of the data",
    margin=0.05,
    minutes=0.3,
    recipe=replace(DIGITS, optimizer=SGD(lr=0.1, momentum=0.9)),
    caveat="Neither half guarantees anything by itself. The learning rate of the clipped models is 4 times as large.",
    null=lambda rng, units: simulated(rng, units, 1.455),
    planted=lambda rng, units: simulated(rng, units, 0.5),
)
def clipping_protects(bench: Bench) -> Verdict:
    """Train pairs with each half of private training on the same halves with one label in ten wrong."""
    data = bench.noisy(0.1)
    rng = np.random.default_rng([bench.seed, 3])
    design = half_subset_pairs(len(data), 2 * bench.units, rng=rng, groups=data.groups)
    noise = privately(bench.recipe, design, EPSILON, arm="noise", faster=1.0)
    noisy = told_apart(trained(bench, "noise", data, design, noise))
    clipped = told_apart(trained(bench, "clip", data, design, privately(bench.recipe, design, EPSILON, arm="clip")))
    return bench.verdict(clipped_less(noisy, clipped) if len(noisy) == len(clipped) else np.zeros(0))
