"""Critical period: does a time of shuffled labels or blurred images do more harm early in the training than late?"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int

from byrote.analyses.catalog import procedure
from byrote.analyses.continued import of_classes, over_seeds
from byrote.analyses.holdout_retraining import constant
from byrote.analyses.lab import Lab
from byrote.changes.data._planting import appended, fresh_ids
from byrote.data.controls import Controls
from byrote.data.dataset import Dataset
from byrote.designs.design import Design, Phase, one_phase
from byrote.errors import BadInput
from byrote.recipes.recipe import Recipe
from byrote.results import Scalar, Table
from byrote.runs.run import Run

SHUFFLED: Final = "shuffled labels"
WINDOW: Final = "window"
#: Deficits, with what is so in the window.
WORDS: Final = {"labels": "labels are shuffled", "blur": "images are blurred"}
#: Blurred images have one number in place of so many by so many.
BLUR: Final = 4


@procedure(
    asks="Does a time of shuffled labels or blurred images do more harm early in the training than late?",
    needs=("heldout.loss",),
    section="4.1",
)
def critical_period(
    lab: Lab,
    run: Run,
    *,
    onsets: str = "0;10;30",
    window: int = 10,
    after: int = 20,
    deficit: str = "labels",
    models: int = 3,
    seed: int = 0,
) -> Table:
    """Held-out loss at the end of trainings in which labels are shuffled, or images blurred, for a while.

    The learning rate is constant, since a schedule alone would make late times matter less. As many epochs with the
    given examples follow each window. Beside each stands a training of as many epochs, cut into the same parts, without
    a deficit: a later window means a longer training.

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
        deficit: "labels" shuffles labels in the window; "blur" makes images four times smaller and large again.
        models: of each arm; 3 to 8.
        seed: fixes the shuffled labels, weights and orders.

    Source: Achille et al. 2019, arXiv:1711.08856.
    Differs:
        Each part of a training starts with a fresh optimizer, in both arms.

    Raises:
        BadInput: data, recipe or held-out examples are not at hand, onsets are not numbers of epochs, or there is
            no such deficit, or no images to blur.
    """
    dataset, recipe = of_classes(run, "critical_period", models)
    if run.heldout is None:
        raise BadInput(
            "A critical period is judged by held-out loss, and the run has no held-out examples.",
            hint="audit with heldout=… or --heldout 0.2 into another folder.",
        )
    starts = _starts(onsets, window, after)
    steady = replace(constant(recipe, "critical_period"), epochs=window + after)
    labels = None
    if _known(deficit) == "blur":
        dataset = with_blurred(dataset)
    else:
        labels = np.random.default_rng([seed, 14]).permutation(dataset.targets).astype(np.int64)
    kind = "" if deficit == "labels" else f"-{deficit}"
    folder = run.folder.with_name(f"{run.folder.name}-critical-period{kind}-{window}-{after}-{models}-{seed}")
    rows = {}
    for start in starts:
        without = parts(len(dataset), models, start, window, after, None)
        if deficit == "blur":
            arms = {"with": of_copies(without, blur=True), "without": of_copies(without, blur=False)}
        else:
            arms = {"with": parts(len(dataset), models, start, window, after, labels), "without": without}
        rows[start] = _figures(lab, run, dataset, steady, arms, seed, folder / str(start))
    titles = ("held-out loss", "without the window", "harm", "held-out accuracy", "accuracy without")
    return Table(
        title="Critical period",
        rows={"window begins after": tuple(f"{start} epochs" for start in rows)},
        figures=dict(zip(titles, map(tuple, zip(*rows.values(), strict=True)), strict=True)),
        notes=(
            f"In the window {WORDS[deficit]}.",
            "If harm falls from the first row to the last, early training is a critical period.",
        ),
    )


def _starts(onsets: str, window: int, after: int) -> list[int]:
    words = [word.strip() for word in onsets.split(";") if word.strip()]
    if not words or not all(word.isdecimal() for word in words) or min(window, after) < 1:
        raise BadInput(
            f"critical_period takes numbers of epochs. Got onsets {onsets!r}, a window of {window} and {after} after.",
            hint='--set "onsets=0;10;30" --set window=10 --set after=20',
        )
    return sorted({int(word) for word in words})


def _known(deficit: str) -> str:
    if deficit not in WORDS:
        raise BadInput(
            f"The 'deficit' argument of critical_period must be one of {', '.join(WORDS)}. Got {deficit!r}.",
            hint="--set deficit=blur",
        )
    return deficit


def with_blurred(dataset: Dataset) -> Dataset:
    """The examples, and after them a blurred copy of each.

    Raises:
        BadInput: they are not images of at least 4 by 4.
    """
    if dataset.inputs.ndim not in (3, 4) or min(dataset.inputs.shape[-2:]) < BLUR:
        shape = " x ".join(map(str, dataset.inputs.shape[1:]))
        raise BadInput(
            f"critical_period blurs images of at least {BLUR} by {BLUR}. The inputs are {shape}.",
            hint="--set deficit=labels takes any inputs.",
        )
    return appended(
        dataset,
        inputs=blurred(dataset.inputs),
        targets=dataset.targets,
        ids=fresh_ids([f"blurred-{name}" for name in dataset.ids.tolist()], dataset.ids),
        groups=dataset.groups,
        controls=Controls(),
    )


def blurred(
    images: Float[np.ndarray, "example *channel height width"],
) -> Float[np.ndarray, "example *channel height width"]:
    """Images that were made four times smaller and large again, as in the source.

    Example:
        >>> blurred(np.eye(4)[None])[0].round(2)[0]
        array([0.25, 0.25, 0.25, 0.25])
    """
    high, wide = images.shape[-2:]
    planes = torch.tensor(images.reshape(len(images), -1, high, wide))
    small = F.interpolate(planes, size=(high // BLUR, wide // BLUR), mode="area")
    large = F.interpolate(small, size=(high, wide), mode="bilinear")
    return large.numpy().reshape(images.shape)


def of_copies(design: Design, *, blur: bool) -> Design:
    """The same design of examples whose second half are blurred copies: shown in the window, or never."""
    half = design.examples // 2
    sharp = np.arange(design.examples) < half
    phases = tuple(
        replace(phase, count=(phase.count * (~sharp if blur and phase.name == WINDOW else sharp)).astype(np.uint8))
        for phase in design.phases
    )
    return replace(design, phases=phases)


def _figures(
    lab: Lab, run: Run, dataset: Dataset, recipe: Recipe, arms: dict[str, Design], seed: int, folder: Path
) -> tuple[Scalar, ...]:
    """Loss with and without the window, their difference, and both accuracies."""
    losses, accuracies = [], []
    for name, design in arms.items():
        one = lab.audit(
            dataset, recipe, heldout=run.heldout, design=design, out=folder / name, seed=seed, checkpoints=2
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
    middle = Phase(name=SHUFFLED if labels is not None else WINDOW, count=count, epochs=window, labels=labels)
    return replace(everyone, phases=(*before, middle, Phase(name="after", count=count, epochs=after)))
