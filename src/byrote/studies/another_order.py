"""O4: labels that say nothing about the inputs are learned in another order by each model."""

from __future__ import annotations

from functools import reduce

import numpy as np
from jaxtyping import Float, Int
from scipy.special import ndtri

from byrote.analyses.learning_order import learned_at
from byrote.designs.full_data import full_data
from byrote.runs.run import Run
from byrote.stats.jackknife import own_parts
from byrote.stats.ranking import ranks
from byrote.stats.verdicts import Verdict
from byrote.studies.bench import DEEP, Bench
from byrote.studies.catalog import study


def lost(
    true: Int[np.ndarray, "model example"], shuffled: Int[np.ndarray, "model example"]
) -> Float[np.ndarray, " unit"]:
    """Half of the agreement of models on the order of true labels, less all of that on shuffled ones.

    Both are checkpoints at which labels are learned. A unit is one model of either kind, and its agreement what it
    contributes to the mean over all pairs of models. NaN where a model learns all labels at once.
    """
    return np.asarray(own_parts(agreement(true)) / 2 - own_parts(agreement(shuffled)))


def agreement(learned: Int[np.ndarray, "model example"]) -> Float[np.ndarray, " model"]:
    """The mean rank correlation of each model's order with those of all others."""
    of_model = np.stack([ranks(one.astype(np.float64)) for one in learned])
    with np.errstate(invalid="ignore"):
        likeness = np.corrcoef(of_model)
    return np.asarray((likeness.sum(1) - 1) / (len(likeness) - 1))


def simulated(rng: np.random.Generator, units: int, true: float, shuffled: float) -> Float[np.ndarray, " unit"]:
    """The effect on orders of 80 examples that agree so much between models."""
    orders = []
    for agreed in (true, shuffled):
        common = ndtri((np.arange(80) + 0.5) / 80)
        time = np.sqrt(agreed) * common + np.sqrt(1 - agreed) * rng.normal(size=(units, 80))
        orders.append(np.digitize(time, np.linspace(-2, 2, 20)))
    return lost(*orders)


@study(
    claim="O4",
    section="4.2",
    says="DNNs learn the same noisy dataset in a different order.",
    effect="half of the rank correlation between models of when a label is learned, true labels, less that of shuffled "
    "labels",
    unit="model of the true labels and model of the shuffled ones, with their own initial weights and orders",
    margin=0.0,
    minutes=1.6,
    recipe=DEEP,
    caveat="Above 0 more than half of the agreement on the order is lost without patterns. One permutation of the "
    "labels: the interval is about other models on these data. Labels that are never learned come last, all tied.",
    null=lambda rng, units: simulated(rng, units, 0.5, 0.25),
    planted=lambda rng, units: simulated(rng, units, 0.6, 0.05),
)
def another_order(bench: Bench) -> Verdict:
    """Train on the labels as given and on permuted ones, and compare when models learn each example for good."""

    def learned(run: Run) -> Int[np.ndarray, "model example"]:
        return learned_at(np.asarray(run.load("trajectory.correct", models), bool))

    design = full_data(len(bench.dataset), bench.units)
    runs = [
        bench.train(data, design, name=name, checkpoints=1_000)
        for name, data in (("true", bench.dataset), ("shuffled", bench.shuffled(bench.dataset)))
    ]
    models = reduce(np.intersect1d, [run.models("full") for run in runs])
    return bench.verdict(lost(*map(learned, runs)))
