"""R67: wrong labels lower the accuracy, and leaving out what costs most loss brings most of it back."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from typing import Final

import numpy as np
from jaxtyping import Float, Int

from byrote.analyses.backdoor_defences import MORE, highest
from byrote.designs.design import one_phase
from byrote.recipes.optimizers import SGD
from byrote.results import PerExample
from byrote.runs.run import Run
from byrote.stats.verdicts import Verdict
from byrote.studies.bench import DIGITS, Bench
from byrote.studies.catalog import study

#: The share of wrong labels, and the share of the data that is held out.
POISONED: Final = 0.2
HELD: Final = 0.25


def restored(
    clean: Float[np.ndarray, " unit"], poisoned: Float[np.ndarray, " unit"], filtered: Float[np.ndarray, " unit"]
) -> Float[np.ndarray, " unit"]:
    """The share of the lost accuracy that a filter brings back; NaN where none was lost."""
    lost = clean - poisoned
    return np.asarray(np.where(lost > 0, (filtered - poisoned) / np.where(lost > 0, lost, 1.0), np.nan))


def simulated(rng: np.random.Generator, units: int, share: float) -> Float[np.ndarray, " unit"]:
    """The effect where 15 points of accuracy are lost and so much of them comes back."""
    clean, poisoned = 0.95 + rng.normal(0, 0.005, units), 0.8 + rng.normal(0, 0.01, units)
    return restored(clean, poisoned, poisoned + (clean - poisoned) * share + rng.normal(0, 0.01, units))


@study(
    claim="R67",
    section="5.3",
    says="Wrong labels in the training data lower the accuracy; a filter finds them.",
    effect="share of the held-out accuracy lost to 20 % wrong labels that comes back once the 30 % with the highest "
    "cumulative loss are left out",
    unit="model of clean labels, model of poisoned ones and model of what that one's filter left, of one seed",
    margin=0.5,
    minutes=0.4,
    recipe=replace(DIGITS, epochs=60, optimizer=SGD(lr=0.1, momentum=0.9)),
    caveat="Flips to any other class, drawn once. The 30 % are 1.5 times the share that was planted, which a defender "
    "would have to guess.",
    null=lambda rng, units: simulated(rng, units, 0.5),
    planted=lambda rng, units: simulated(rng, units, 0.8),
)
def poisons_restored(bench: Bench) -> Verdict:
    """Train on clean and on poisoned labels, and on what is left of the latter by each model's own losses."""
    data, held = bench.divided(HELD)
    noisy = bench.noisy(POISONED, data)
    everyone = np.ones((bench.units, len(data)), np.uint8)
    design = one_phase("all", everyone)
    clean = bench.train(data, design, name="clean", heldout=held, checkpoints=2)
    poisoned = bench.train(noisy, design, name="poisoned", heldout=held)
    kept = everyone.copy()
    for model in poisoned.models().tolist():
        result = poisoned.measured_on("cumulative_sample_loss", np.array([model]))
        assert isinstance(result, PerExample)
        kept[model, highest(result.values, count=round(MORE * POISONED * len(data)))] = 0
    filtered = bench.train(noisy, one_phase("filtered", kept), name="filtered", heldout=held, checkpoints=2)
    runs = (clean, poisoned, filtered)
    models = reduce(np.intersect1d, [run.models() for run in runs])
    return bench.verdict(restored(*(_accuracy(run, models) for run in runs)))


def _accuracy(run: Run, models: Int[np.ndarray, " unit"]) -> Float[np.ndarray, " unit"]:
    return np.asarray(run.load("heldout.correct", models).mean(1), np.float64)
