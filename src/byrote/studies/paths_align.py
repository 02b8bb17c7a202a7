"""R95: gradients of examples of one class come to agree early in the training."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from byrote.designs.full_data import full_data
from byrote.measures._in_time import EARLY
from byrote.stats.verdicts import Verdict
from byrote.studies.bench import DEEP, Bench
from byrote.studies.catalog import study


def risen(
    alike: Float[np.ndarray, "model checkpoint"], epochs: Int[np.ndarray, " checkpoint"]
) -> Float[np.ndarray, " model"]:
    """How far the mean cosine between examples lies above that of the untrained network, in the early phase.

    The mean is over the checkpoints of the phase but the start. NaN without a checkpoint at the start.
    """
    if epochs[0] != 0:
        return np.full(len(alike), np.nan)
    early = (epochs > 0) & (epochs <= max(EARLY * epochs[-1], epochs[epochs > 0].min()))
    return np.asarray(alike[:, early].mean(1) - alike[:, 0])


def simulated(rng: np.random.Generator, units: int, rise: float) -> Float[np.ndarray, " unit"]:
    """The effect on cosines that rise so much at once, with spread between models."""
    epochs = np.array([0, 1, 3, 6, 12, 30, 60])
    alike = 0.5 + (rise + rng.normal(0, 0.02, (units, 1))) * (epochs > 0) + rng.normal(0, 0.02, (units, len(epochs)))
    return risen(alike, epochs)


@study(
    claim="R95",
    section="8.1",
    says="Networks initially build unique mapping paths for each example. Over time, inherent data distribution "
    "patterns cause some paths to align. This alignment precedes memorization.",
    effect="by how much the mean cosine between gradients of two rightly labelled examples of one class is larger in "
    "the first tenth of the training than before it",
    unit="model with its own initial weights and order",
    margin=0.0,
    minutes=0.9,
    recipe=DEEP,
    caveat="Paths are read as gradients in the weights. One draw of wrong labels (10 %): the interval is about other "
    "models on these data.",
    null=lambda rng, units: simulated(rng, units, 0.0),
    planted=lambda rng, units: simulated(rng, units, 0.1),
)
def paths_align(bench: Bench) -> Verdict:
    """Train on all data with one label in ten wrong, and compare gradients of pairs of examples at checkpoints."""
    dataset = bench.noisy(0.1)
    run = bench.train(
        dataset,
        full_data(len(dataset), bench.units),
        checkpoints=20,
        probes=("gradient_shares,models=all,checkpoints=20",),
    )
    models = run.models("full")
    alike = np.asarray(run.load("gradient_shares.alike_others", models), np.float64)
    return bench.verdict(risen(alike, np.asarray(run.load("gradient_shares.epochs", models), np.int64)))
