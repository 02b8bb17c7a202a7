"""O40: differential privacy costs accuracy, the more the smaller epsilon is."""

from __future__ import annotations

from functools import reduce
from typing import Final

import numpy as np
from jaxtyping import Bool, Float

from byrote.designs.full_data import full_data
from byrote.stats.verdicts import Verdict
from byrote.studies.bench import Bench
from byrote.studies.catalog import study
from byrote.studies.private_training import at_rate, privately, trained

#: The epsilons, from none to strict, and the learning rates that each may choose among, as multiples.
EPSILONS: Final = (8.0, 2.0, 0.5)
PLAIN_RATES: Final = (0.5, 2.0)
PRIVATE_RATES: Final = (1.0, 4.0)


def smallest_drop(accuracy: Float[np.ndarray, "arm model"]) -> Float[np.ndarray, " model"]:
    """The smallest fall of accuracy from one arm to the next, by model."""
    return np.asarray((accuracy[:-1] - accuracy[1:]).min(0))


def chosen_apart(correct: Bool[np.ndarray, "rate model query"]) -> Float[np.ndarray, " model"]:
    """Each model's accuracy on the second half of the held-out examples, at the rate that is best on the first half."""
    half = correct.shape[2] // 2
    best = int(correct[:, :, :half].mean((1, 2)).argmax())
    return np.asarray(correct[best, :, half:].mean(1))


def simulated(rng: np.random.Generator, units: int, drop: float) -> Float[np.ndarray, " unit"]:
    """The effect of arms each so much less accurate than the one before, with spread between models."""
    expected = 0.95 - drop * np.arange(4)[:, None] + rng.normal(0, 0.004, (4, units))
    return smallest_drop(rng.binomial(220, np.clip(expected, 0, 1)) / 220)


@study(
    claim="O40",
    section="5.5",
    says="DP hurts model generalization performance.",
    effect="the smallest fall of held-out accuracy from plain training to epsilon 8, from there to 2, and to 0.5",
    unit="model with its own initial weights and batches",
    margin=0.0,
    units=12,
    minutes=2.0,
    caveat="Each arm has the better of two learning rates by one half of the held-out examples, and is judged on the "
    "other half. Tuning on held-out examples costs no privacy of the training data. Small data: the cost of privacy "
    "falls as data grow.",
    null=lambda rng, units: simulated(rng, units, 0.0275),
    planted=lambda rng, units: simulated(rng, units, 0.08),
)
def privacy_costs_accuracy(bench: Bench) -> Verdict:
    """Train on all but a share of the data, plainly and with three epsilons, each at two learning rates."""
    data, held = bench.divided(0.3)
    held = held.subset(np.random.default_rng([bench.seed, 11]).permutation(len(held)))
    design = full_data(len(data), bench.units)
    arms = [[at_rate(bench.recipe, times) for times in PLAIN_RATES]]
    arms += [[privately(bench.recipe, design, one, faster=times) for times in PRIVATE_RATES] for one in EPSILONS]
    runs = [
        [trained(bench, f"arm-{arm}-{rate}", data, design, one, heldout=held) for rate, one in enumerate(recipes)]
        for arm, recipes in enumerate(arms)
    ]
    models = reduce(np.intersect1d, [run.models("full") for arm in runs for run in arm])
    right = (np.stack([run.load("heldout.correct", models) for run in arm]).astype(bool) for arm in runs)
    return bench.verdict(smallest_drop(np.stack([chosen_apart(arm) for arm in right])))
