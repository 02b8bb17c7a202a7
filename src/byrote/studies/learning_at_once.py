"""O17: right and wrong labels are learned at the same time."""

from __future__ import annotations

from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Int

from byrote.data.controls import LABEL_NOISE
from byrote.designs.full_data import full_data
from byrote.stats.verdicts import Verdict
from byrote.studies.bench import Bench, epochs_of
from byrote.studies.catalog import study

#: A share from which on there is nothing left to learn.
FITTED: Final = 0.99


def together(
    correct: Bool[np.ndarray, "model checkpoint example"],
    epochs: Int[np.ndarray, " checkpoint"],
    noisy: Bool[np.ndarray, " example"],
) -> Float[np.ndarray, " model"]:
    """The share of the fitting phase in which the accuracy on right and that on wrong labels both rise.

    The phase ends when one of the two is fitted to .99, or with the training. Each stretch between two checkpoints
    counts for its epochs. NaN where one is fitted at the start.
    """
    clean, wrong = correct[:, :, ~noisy].mean(2), correct[:, :, noisy].mean(2)
    both = (np.diff(clean) > 0) & (np.diff(wrong) > 0)
    open_ = np.logical_and.accumulate((clean < FITTED) & (wrong < FITTED), axis=1)[:, :-1]
    length = np.where(open_, np.diff(epochs), 0).astype(np.float64)
    total = length.sum(1)
    return np.asarray(np.divide((both * length).sum(1), total, out=np.full(len(total), np.nan), where=total > 0))


def simulated(rng: np.random.Generator, units: int, chance: float) -> Float[np.ndarray, " unit"]:
    """The effect on 200 right labels that are learned two an epoch, and 100 wrong ones that rise by this chance."""
    epochs, noisy = np.arange(41), np.arange(300) >= 200
    right = np.broadcast_to(80 + 2 * epochs, (units, 41))
    rises = np.where(rng.random((units, 40)) < chance, 1, 0)
    wrong = np.concatenate([np.full((units, 1), 20), 20 + np.cumsum(rises, axis=1)], axis=1)
    fitted = np.where(noisy, 200 + wrong[..., None], right[..., None])
    return together(np.arange(300) < fitted, epochs, noisy)


@study(
    claim="O17",
    section="4.6",
    says="DNNs are capable of concurrently learning from both clean and noisy examples.",
    effect="share of the fitting phase in which the accuracy on right labels and that on wrong labels both rise",
    unit="model with its own initial weights and order",
    margin=0.5,
    minutes=0.2,
    caveat="One draw of wrong labels (10 %): the interval is about other models on these data.",
    null=lambda rng, units: simulated(rng, units, 0.5),
    planted=lambda rng, units: simulated(rng, units, 0.8),
)
def learning_at_once(bench: Bench) -> Verdict:
    """Train on all data with one label in ten wrong, look every epoch."""
    dataset = bench.noisy(0.1)
    run = bench.train(dataset, full_data(len(dataset), bench.units), checkpoints=1_000)
    correct = np.asarray(run.load("trajectory.correct", run.models("full")), bool)
    return bench.verdict(together(correct, epochs_of(run, "full"), run.controls.mask(run.ids, LABEL_NOISE)))
