"""O8: what examples share is learned before wrong labels are."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int

from byrote.data.controls import LABEL_NOISE
from byrote.designs.full_data import full_data
from byrote.stats.verdicts import Verdict
from byrote.studies.bench import Bench, epochs_of
from byrote.studies.catalog import study


def later(
    correct: Bool[np.ndarray, "model checkpoint example"],
    epochs: Int[np.ndarray, " checkpoint"],
    noisy: Bool[np.ndarray, " example"],
) -> Float[np.ndarray, " model"]:
    """How many doublings of the training time wrong labels take more than right ones, until half of them are fitted."""
    clean = half_fitted(correct[:, :, ~noisy].mean(2), epochs, never=np.nan)
    wrong = half_fitted(correct[:, :, noisy].mean(2), epochs, never=float(epochs[-1]))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.log2(wrong / clean))


def half_fitted(
    share: Float[np.ndarray, "model checkpoint"], epochs: Int[np.ndarray, " checkpoint"], *, never: float
) -> Float[np.ndarray, " model"]:
    """The epoch at which the share first reaches a half, on straight lines between checkpoints.

    It is `never` where it does not: of the last epoch a lower bound. NaN where it does so at the start.
    """
    models, reached = np.arange(len(share)), share >= 0.5
    at = np.maximum(reached.argmax(1), 1)
    low, high = share[models, at - 1], share[models, at]
    after = np.divide(0.5 - low, high - low, out=np.full(len(share), np.nan), where=(low < 0.5) & (high >= 0.5))
    crossed = epochs[at - 1] + after * (epochs[at] - epochs[at - 1])
    return np.where(reached.any(1), crossed, never)


def simulated(rng: np.random.Generator, units: int, doublings: float) -> Float[np.ndarray, " unit"]:
    """The effect on curves of which those of wrong labels are so many doublings later, with spread between models."""
    epochs, noisy = np.arange(61), np.arange(400) < 100
    speed, lag = rng.normal(0, 0.2, (2, units, 1, 1))
    middle = 8 * 2 ** (speed + (doublings + lag) * noisy)
    fitted = 1 / (1 + (middle / np.maximum(epochs[None, :, None], 1e-9)) ** 3)
    return later(rng.random((units, 1, 400)) < fitted, epochs, noisy)


@study(
    claim="O8",
    section="4.4",
    says="DNNs tend to prioritize learning patterns from a training dataset containing both clean and noisy examples "
    "during the early stage.",
    effect="doublings of training time by which half of the wrong labels are fitted later than half of the right ones",
    unit="model with its own initial weights and order",
    margin=1.0,
    minutes=0.5,
    caveat="One draw of wrong labels (10 %): the interval is about other models on these data.",
    null=lambda rng, units: simulated(rng, units, 1.0),
    planted=lambda rng, units: simulated(rng, units, 2.0),
)
def early_patterns(bench: Bench) -> Verdict:
    """Train on all data with one label in ten wrong, and look when either kind is fitted."""
    dataset = bench.noisy(0.1)
    run = bench.train(dataset, full_data(len(dataset), bench.units), checkpoints=30)
    correct = np.asarray(run.load("trajectory.correct", run.models("full")), bool)
    noisy = run.controls.mask(run.ids, LABEL_NOISE)
    return bench.verdict(later(correct, epochs_of(run, "full"), noisy))
