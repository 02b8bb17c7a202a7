"""How training went: how sure models were of an example's label, or how far off its number, epoch by epoch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from byrote.data.task import Task
from byrote.runs.run import Run
from byrote.stats.jackknife import spread, units

CLEAN = "clean"
#: The probabilities of one model are read in blocks of about this many cells.
BLOCK_CELLS = 2**23
#: Quantiles over examples come from at most about this many, evenly spaced.
MOST_EXAMPLES = 20_000
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
#: What is followed, and what it is called.
FOLLOWED: dict[Task, tuple[str, str]] = {
    "classes": ("trajectory.probability", "probability of the given label"),
    "labels": ("trajectory.probability", "probability of the given labels"),
    "regression": ("trajectory.absolute_error", "distance from the given number"),
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Line:
    """Its mean over a group of examples, in models trained on them or not."""

    group: str
    trained: bool
    values: Float[np.ndarray, " checkpoint"]
    stderr: Float[np.ndarray, " checkpoint"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Quantiles:
    """Quantiles over examples of its mean over models, in those trained on them or not."""

    trained: bool
    values: Float[np.ndarray, "quantile checkpoint"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Trajectories:
    """Lines where controls were planted, otherwise quantiles; of a probability, or of a distance."""

    epochs: Int[np.ndarray, " checkpoint"]
    models: int
    what: str = "probability of the given label"
    probability: bool = True
    lines: tuple[Line, ...] = ()
    quantiles: tuple[Quantiles, ...] = ()


def trajectories(run: Run, role: str = "reference") -> Trajectories:
    """The trajectories of a run's models of that role, read one model at a time.

    Raises:
        MissingEvidence: none were recorded.
        TooFewModels: too many models diverged.
    """
    models = run.models(role)
    name, what = FOLLOWED[run.task]
    run.load(name, models[:1], slice(0, 1))  # says what is missing where there is none
    epochs = run.load("trajectory.epochs", models)
    lines = _lines(run, models, len(epochs)) if len(run.controls) else ()
    return Trajectories(
        epochs=epochs,
        models=len(models),
        what=what,
        probability=not run.learns.numeric,
        lines=lines,
        quantiles=() if lines else _quantiles(run, models, len(epochs)),
    )


def _lines(run: Run, models: np.ndarray, checkpoints: int) -> tuple[Line, ...]:
    masks = {kind: run.controls.mask(run.ids, kind) for kind in run.controls.kinds()}
    groups = {CLEAN: ~np.any(list(masks.values()), axis=0), **masks}
    belongs = np.array(list(groups.values()), np.float32)
    sums = np.zeros((2, len(groups), len(models), checkpoints))
    sizes = np.zeros((2, len(groups), len(models)))
    for row, rows, member, probability in _blocks(run, models, checkpoints):
        for side in (0, 1):
            chosen = belongs[:, rows] * (member == side)
            sums[side, :, row] += chosen @ probability.T
            sizes[side, :, row] += chosen.sum(1)
    lines = []
    for index, group in enumerate(groups):
        for side in (1, 0):
            some = sizes[side, index] > 0
            if some.any():
                each = sums[side, index, some] / sizes[side, index, some][:, None]
                values, stderr = _mean(each, run.design.pair[models][some])
                lines.append(Line(group=group, trained=side == 1, values=values, stderr=stderr))
    return tuple(lines)


def _mean(each: Float[np.ndarray, "model checkpoint"], pair: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean over models and its standard error by leaving out a pair at a time; NaN below 3 pairs."""
    unit = units(pair)
    counts = np.bincount(unit)
    if len(counts) < 3:
        return each.mean(0), np.full(each.shape[1], np.nan)
    totals = np.zeros((len(counts), each.shape[1]))
    np.add.at(totals, unit, each)
    return each.mean(0), spread((totals.sum(0) - totals) / (len(each) - counts)[:, None])


def _quantiles(run: Run, models: np.ndarray, checkpoints: int) -> tuple[Quantiles, ...]:
    step = max(1, len(run.ids) // MOST_EXAMPLES)
    kept = np.arange(0, len(run.ids), step)
    sums = np.zeros((2, checkpoints, len(kept)))
    sizes = np.zeros((2, len(kept)))
    for _, rows, member, probability in _blocks(run, models, checkpoints):
        inside = kept[(kept >= rows.start) & (kept < rows.stop)]
        here, there = inside - rows.start, inside // step
        for side in (0, 1):
            chosen = member[here] == side
            sums[side][:, there] += np.where(chosen, probability[:, here], 0.0)
            sizes[side, there] += chosen
    found = []
    for side in (1, 0):
        some = sizes[side] > 0
        if some.any():
            means = sums[side][:, some] / sizes[side, some]
            found.append(Quantiles(trained=side == 1, values=np.quantile(means, QUANTILES, axis=1)))
    return tuple(found)


def _blocks(
    run: Run, models: np.ndarray, checkpoints: int
) -> Iterator[tuple[int, slice, Int[np.ndarray, " example"], Float[np.ndarray, "checkpoint example"]]]:
    """(number of the model, block of examples, membership, what is followed), one model and block at a time."""
    name, _ = FOLLOWED[run.task]
    everyone = run.member
    size = max(1, BLOCK_CELLS // checkpoints)
    for row, model in enumerate(models):
        for start in range(0, len(run.ids), size):
            rows = slice(start, min(start + size, len(run.ids)))
            yield row, rows, everyone[model][rows], run.load(name, [int(model)], rows)[0]
