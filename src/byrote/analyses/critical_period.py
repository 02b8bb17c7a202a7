"""Critical period: does a time of shuffled labels do more harm early in the training than late?"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Int

from byrote.analyses.catalog import procedure
from byrote.analyses.continued import of_classes, over_seeds
from byrote.analyses.holdout_retraining import constant
from byrote.analyses.lab import Lab
from byrote.data.dataset import Dataset
from byrote.designs.design import Design, Phase, one_phase
from byrote.errors import BadInput
from byrote.recipes.recipe import Recipe
from byrote.results import Scalar, Table
from byrote.runs.run import Run

SHUFFLED: Final = "shuffled labels"


@procedure(
    asks="Does a time of shuffled labels do more harm early in the training than late?",
    needs=("heldout.loss",),
    section="4.1",
)
def critical_period(
    lab: Lab, run: Run, *, onsets: str = "0;10;30", window: int = 10, after: int = 20, models: int = 3, seed: int = 0
) -> Table:
    """Held-out loss at the end of trainings in which labels are shuffled for a while, by when that begins.

    The learning rate is constant, since a schedule alone would make late times matter less. As many epochs with the
    given labels follow each window. Beside each stands a training of as many epochs, cut into the same parts, without
    shuffled labels: a later window means a longer training.

    Formula:
        mean held-out loss and accuracy of models with the window less that of models without it, the same seeds
    Undefined:
        the error with fewer than 3 models, which is refused.

    Args:
        lab: where to train.
        run: whose data, held-out examples and recipe.
        onsets: epochs after which the window begins, with ";" between them.
        window: its epochs.
        after: epochs after it.
        models: of each arm; 3 to 8.
        seed: fixes the shuffled labels, weights and orders.

    Source: Achille et al. 2019, arXiv:1711.08856.
    Differs:
        The source blurs inputs for a while. Each part of a training starts with a fresh optimizer, in both arms.

    Raises:
        BadInput: data, recipe or held-out examples are not at hand, or onsets are not numbers of epochs.
    """
    dataset, recipe = of_classes(run, "critical_period", models)
    if run.heldout is None:
        raise BadInput(
            "A critical period is judged by held-out loss, and the run has no held-out examples.",
            hint="audit with heldout=… or --heldout 0.2 into another folder.",
        )
    starts = _starts(onsets, window, after)
    steady = replace(constant(recipe, "critical_period"), epochs=window + after)
    shuffled = np.random.default_rng([seed, 14]).permutation(dataset.targets).astype(np.int64)
    folder = run.folder.with_name(f"{run.folder.name}-critical-period-{window}-{after}-{models}-{seed}")
    rows = {
        start: _arms(lab, run, dataset, steady, shuffled, start, window, after, models, seed, folder / str(start))
        for start in starts
    }
    titles = ("held-out loss", "without the window", "harm", "held-out accuracy", "accuracy without")
    return Table(
        title="Critical period",
        rows={"window begins after": tuple(f"{start} epochs" for start in rows)},
        figures=dict(zip(titles, map(tuple, zip(*rows.values(), strict=True)), strict=True)),
        notes=("If harm falls from the first row to the last, early training is a critical period.",),
    )


def _starts(onsets: str, window: int, after: int) -> list[int]:
    words = [word.strip() for word in onsets.split(";") if word.strip()]
    if not words or not all(word.isdecimal() for word in words) or min(window, after) < 1:
        raise BadInput(
            f"critical_period takes numbers of epochs. Got onsets {onsets!r}, a window of {window} and {after} after.",
            hint='--set "onsets=0;10;30" --set window=10 --set after=20',
        )
    return sorted({int(word) for word in words})


def _arms(
    lab: Lab,
    run: Run,
    dataset: Dataset,
    recipe: Recipe,
    shuffled: Int[np.ndarray, " example"],
    start: int,
    window: int,
    after: int,
    models: int,
    seed: int,
    folder: Path,
) -> tuple[Scalar, ...]:
    """Loss with and without the window, their difference, and both accuracies."""
    losses, accuracies = [], []
    for name, labels in (("with", shuffled), ("without", None)):
        one = lab.audit(
            dataset,
            recipe,
            heldout=run.heldout,
            design=parts(len(dataset), models, start, window, after, labels),
            out=folder / name,
            seed=seed,
            checkpoints=2,
        )
        asked = one.models()
        losses.append(one.load("heldout.loss", asked).astype(np.float64).mean(1))
        accuracies.append(one.load("heldout.correct", asked).mean(1))
    top = float("inf")
    harm = over_seeds(losses[0] - losses[1], (-top, top))
    return (
        *(over_seeds(loss, (0.0, top)) for loss in losses),
        harm,
        *(over_seeds(accuracy, (0.0, 1.0)) for accuracy in accuracies),
    )


def parts(
    examples: int, models: int, start: int, window: int, after: int, labels: Int[np.ndarray, " example"] | None
) -> Design:
    """A design of three parts, or two where the window comes first, of which the window has other labels."""
    everyone = one_phase("critical_period", np.ones((models, examples), np.uint8))
    count = everyone.phases[0].count
    before = [Phase(name="before", count=count, epochs=start)] if start else []
    middle = Phase(name=SHUFFLED if labels is not None else "window", count=count, epochs=window, labels=labels)
    return replace(everyone, phases=(*before, middle, Phase(name="after", count=count, epochs=after)))
