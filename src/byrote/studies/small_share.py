"""O9: early in the training wrong labels have a small part in the gradient."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from byrote.designs.full_data import full_data
from byrote.measures._in_time import EARLY
from byrote.stats.verdicts import Verdict
from byrote.studies.bench import DEEP, Bench
from byrote.studies.catalog import study


def missing(
    share: Float[np.ndarray, "model checkpoint"], epochs: Int[np.ndarray, " checkpoint"]
) -> Float[np.ndarray, " model"]:
    """How far the share of wrong labels in the gradient, by their number, lies below 1 in the early phase.

    The mean is over the checkpoints of the phase but the start; at least one counts.
    """
    early = (epochs > 0) & (epochs <= max(EARLY * epochs[-1], epochs[epochs > 0].min()))
    return np.asarray(1 - share[:, early].mean(1))


def simulated(rng: np.random.Generator, units: int, less: float) -> Float[np.ndarray, " unit"]:
    """The effect on shares that are so much too small early and too large later, with spread between models."""
    epochs = np.array([0, 1, 2, 5, 10, 20, 40, 60])
    course = np.where(epochs <= 6, 1 - less, 4.0)
    share = course + rng.normal(0, 0.05, (units, 1)) + rng.normal(0, 0.1, (units, len(epochs)))
    return missing(share, epochs)


@study(
    claim="O9",
    section="4.4",
    says="In the early learning phase, the gradients from noisy examples contribute minimally to the overall gradient.",
    effect="by how much the part of wrong labels in the whole gradient lies below their part of the examples, as a "
    "share of the latter, in the first tenth of the training",
    unit="model with its own initial weights and order",
    margin=0.1,
    units=12,
    seed=1,
    minutes=2.8,
    recipe=DEEP,
    caveat="The part is a projection onto the whole gradient, with wrong and right labels. One draw of wrong labels "
    "(10 %): the interval is about other models on these data.",
    null=lambda rng, units: simulated(rng, units, 0.1),
    planted=lambda rng, units: simulated(rng, units, 0.4),
)
def small_share(bench: Bench) -> Verdict:
    """Train on all data with one label in ten wrong, and take the gradient apart at checkpoints."""
    dataset = bench.noisy(0.1)
    run = bench.train(
        dataset,
        full_data(len(dataset), bench.units),
        checkpoints=20,
        probes=("gradient_shares,models=all,checkpoints=20",),
    )
    models = run.models("full")
    share = np.asarray(run.load("gradient_shares.share", models), np.float64)
    return bench.verdict(missing(share, np.asarray(run.load("gradient_shares.epochs", models), np.int64)))
