"""Pattern or rote: has a backdoor become a pattern that works on other inputs, or are its poisons known one by one?"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from jaxtyping import Int, Int8

from byrote.analyses.catalog import analysis
from byrote.blocks import Block, Tile, Tiles, Words, capital, plain_blocks, section
from byrote.data.controls import POISONS
from byrote.errors import BadInput
from byrote.evidence.kinds.stamped import STAMPED, TRIGGER
from byrote.results import Scalar, Table, decimal
from byrote.runs.run import Run
from byrote.stats.crossed_mean import crossed_mean
from byrote.stats.intervals import Bounds
from byrote.stats.jackknife import units
from byrote.stats.poisoning import Verdict, with_floor
from byrote.stats.poisoning import pattern_or_rote as verdict_of

BOUNDS: Final[Bounds] = (-1.0, 1.0)
#: The figures of a row: of models that lack one poison, of models that lack all, and two of the trigger.
MEMORIZED: Final = "memorization"
CONTRAST: Final = "memorization of the group"
SUCCESS: Final = "attack success"
WITHOUT: Final = "success without poisons"
ALONE: Final = "one poison never tells, as another one may do otherwise"
NOTES: Final = (
    "Rote: the interval of the memorization lies above .5. Pattern: that of the attack success lies above .5, and that "
    "of the memorization below .25. Partly: both move. Neither: both lie below .25. Undecided: anything else.",
    "Attack success: how many more held-out examples of other classes are given the attacker's class with the trigger "
    "than without it, by models trained on a poison. Its ± is about other models and other held-out examples, that of "
    "the memorization about other models on these poisons.",
    "A model on half of the data that lacks one poison saw about half of the others. Where these teach the pattern, "
    "the memorization of each is low; that of the whole group, which is held out together (`together=yes`), is not.",
)


@dataclass(frozen=True, kw_only=True)
class Poisoned:
    """What became of a planted backdoor; a figure is None where the run cannot have it."""

    trigger: str
    poisons: int
    memorization: Scalar | None
    contrast: Scalar | None
    success: Scalar
    without: Scalar | None

    @property
    def verdict(self) -> Verdict:
        """Pattern or rote; undecided where the poisons are one group."""
        return "undecided" if self.memorization is None else verdict_of(self.memorization, self.success)


@analysis(
    asks="Is the backdoor learned as a pattern or by rote?",
    needs=("label_memorization", "stamped.target"),
    section="5.3",
)
def pattern_or_rote(run: Run) -> Table:
    """The verdict on a planted backdoor, from the memorization of its poisons and the success of its trigger.

    Formula:
        memorization: mean label memorization of the poisons
        success: mean over models k that hold a poison, of the mean over held-out i of another class than t, of
        [f_k(stamp(x_i)) = t] - [f_k(x_i) = t]; without poisons: the same over models that hold none
    Undefined:
        the errors with a single poison, or fewer than 3 pairs of models; the memorization of each poison where the
        poisons are one group, and that of the group where they are not.

    Source: Gu et al. 2017, arXiv:1708.06733, section 4 (attack success); Wei et al. 2025, section 8.3 (the question).

    Raises:
        BadInput: no backdoor is planted.
        MissingEvidence: no stamped examples are recorded, as without held-out examples.
        TooFewModels: label memorization cannot be measured.
    """
    return table_of([poisoned(run)])


def table_of(rows: Sequence[Poisoned]) -> Table:
    """A row for each number of poisons of one trigger."""
    return Table(
        title=f"Pattern or rote: {rows[0].trigger}",
        rows={
            "poisons": tuple(str(one.poisons) for one in rows),
            "verdict": tuple(one.verdict for one in rows),
        },
        figures={
            MEMORIZED: tuple(one.memorization for one in rows),
            CONTRAST: tuple(one.contrast for one in rows),
            SUCCESS: tuple(one.success for one in rows),
            WITHOUT: tuple(one.without for one in rows),
        },
        notes=NOTES,
    )


def poisoned(run: Run) -> Poisoned:
    """The figures of a run with a backdoor.

    Raises:
        BadInput, MissingEvidence, TooFewModels: as `pattern_or_rote`.
    """
    rows = poisons_of(run)
    models = run.models()
    member = run.member[models][:, rows]
    holds = (member == 1).any(1)
    together = bool((member == member[:, :1]).all()) and len(rows) > 1
    memorized = _unless_alone(_memorization(run, models, member, rows), len(rows))
    return Poisoned(
        trigger=run.evidence.header(STAMPED.name, int(models[0]), run.last_phase)[TRIGGER],
        poisons=len(rows),
        memorization=None if together else memorized,
        contrast=memorized if together else None,
        success=_unless_alone(success_of(run, models[holds]), len(rows)),
        without=None if holds.all() else success_of(run, models[~holds]),
    )


def poisons_of(run: Run) -> Int[np.ndarray, " poison"]:
    """The rows of the poisons of a run whose stamped examples are recorded.

    Raises:
        BadInput: there are none.
        MissingEvidence: no stamped examples are recorded.
    """
    rows = np.flatnonzero(np.any([run.controls.mask(run.ids, kind) for kind in POISONS], axis=0))
    if not len(rows):
        raise BadInput(
            f"No backdoor is planted in the run {str(run.folder)!r}.",
            hint="byrote change RUN --with backdoor=0.05, and ask the run that it makes.",
        )
    run.evidence.require(f"{STAMPED.name}.target", int(run.models()[0]), run.last_phase)
    return rows


def success_of(run: Run, models: Int[np.ndarray, " model"]) -> Scalar:
    """The attack's success among these models, less what they answer without the trigger."""
    target, plain, counts = (run.load(f"{STAMPED.name}.{name}", models) for name in ("target", "plain", "counts"))
    gained = np.where(counts, target.astype(np.float64) - plain, np.nan)
    pair = run.design.pair[models]
    found = crossed_mean(gained, pair, run.heldout_clusters, bounds=BOUNDS)
    stamped, unstamped = (float(each[counts].mean()) if counts.any() else math.nan for each in (target, plain))
    return with_floor(found, stamped, unstamped, len(np.unique(units(pair))))


def _memorization(
    run: Run, models: Int[np.ndarray, " model"], member: Int8[np.ndarray, "model poison"], rows: np.ndarray
) -> Scalar:
    """The mean label memorization of the poisons."""

    def mean(values: np.ndarray) -> float:
        known = values[rows][~np.isnan(values[rows])]
        return float(known.mean()) if len(known) else math.nan

    found = run.pooled("label_memorization", mean, examples=len(rows), bounds=BOUNDS)
    right = run.load("outputs.correct", models)[:, rows]
    inside, outside = (float(right[member == side].mean()) if (member == side).any() else math.nan for side in (1, 0))
    return with_floor(found, inside, outside, len(np.unique(units(run.design.pair[models]))))


def _unless_alone(figure: Scalar, poisons: int) -> Scalar:
    """The figure, without an error where there is one poison."""
    nan = math.nan
    return figure if poisons > 1 else replace(figure, stderr=nan, low=nan, high=nan, note=ALONE)


@section(of="pattern_or_rote", title="Backdoor: pattern or rote", order=20)
def shown(table: Table) -> Iterable[Block]:
    """The verdict where there is one row, the figures, and how to read them."""
    if len(table.rows["verdict"]) == 1:
        yield Tiles(tiles=tuple(_tiles(table)))
    yield from plain_blocks(replace(table, notes=()))
    yield Words(text="\n\n".join(table.notes), tone="reading")


def _tiles(table: Table) -> Iterator[Tile]:
    yield Tile(value=table.rows["verdict"][0], label="Learned as", note=f"{table.rows['poisons'][0]} poisons")
    for name in (SUCCESS, MEMORIZED, CONTRAST):
        figure = table.figures[name][0]
        if figure is not None:
            yield Tile(value=decimal(figure), label=capital(name))
