"""O15: what is memorized is not stored in the last layer alone."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from byrote.analyses.where import load_rewound, localized_in
from byrote.analyses.where_groups import groups_of
from byrote.designs.full_data import full_data
from byrote.errors import BadInput
from byrote.runs.run import Run
from byrote.stats.verdicts import Verdict
from byrote.studies.bench import DEEP, Bench
from byrote.studies.catalog import study


def before_the_last(stored: Float[np.ndarray, "model layer checkpoint"]) -> Float[np.ndarray, " model"]:
    """By how much more is stored in the layers before the last one, together, than in that; the mean over checkpoints.

    Example:
        >>> before_the_last(np.array([[[0.5], [0.25], [0.25]]]))
        array([0.5])
    """
    course = stored.mean(2)
    return np.asarray(course[:, :-1].sum(1) - course[:, -1])


def stored_in(run: Run) -> Float[np.ndarray, "model layer checkpoint"]:
    """The map of the planted wrong labels: what is lost beyond equal damage and beyond right labels of like confidence.

    NaN in a model that fits fewer than 20 of them.
    """
    models = run.models("full")
    found = load_rewound(run, models)
    group = next(one for one in groups_of(run, models) if one.mislabelled)
    return localized_in(found, group).each.reshape(len(models), *found.size)


def simulated(rng: np.random.Generator, units: int, more: float) -> Float[np.ndarray, " unit"]:
    """The effect on maps of which the last layer has so much less than the others, with spread between models."""
    stored = np.full((units, 4, 3), 0.2) + rng.normal(0, 0.05, (units, 4, 3))
    stored[:, -1] += 0.4 - more + rng.normal(0, 0.05, (units, 1))
    return before_the_last(stored)


@study(
    claim="O15",
    section="4.5",
    says="Deeper layers of the network specialize in distinguishing features, but memorization is not confined to "
    "them. Instead, it exists in a small subset of neurons across layers.",
    effect="share of the fitted wrong labels lost when a layer goes back to a checkpoint, beyond equal damage and "
    "right labels of like confidence: sum over the layers before the last one, less that of the last one",
    unit="model with its own initial weights and order",
    margin=0.1,
    minutes=1.2,
    recipe=DEEP,
    caveat="That deeper layers specialize is not tried here, and small subsets of units are by O13. Effects of layers "
    "do not add up: most wrong labels need several. One draw of wrong labels (10 %).",
    null=lambda rng, units: simulated(rng, units, 0.1),
    planted=lambda rng, units: simulated(rng, units, 0.5),
)
def not_only_deep(bench: Bench) -> Verdict:
    """Train on all data with one label in ten wrong, and take one layer after the other back to checkpoints."""
    dataset = bench.noisy(0.1)
    run = bench.train(dataset, full_data(len(dataset), bench.units), checkpoints=8, keep_weights_at="checkpoints")
    stored = stored_in(bench.probe(run, "rewinding"))
    if stored.shape[1] < 2:
        raise BadInput(
            "The study compares the last layer with those before it, and the network has one layer.",
            hint="give a recipe with hidden layers, as byrote.MLP(hidden=(64, 64)).",
        )
    return bench.verdict(before_the_last(stored))
