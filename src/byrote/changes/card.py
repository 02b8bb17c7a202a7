"""The before/after card: the same figures of two runs, and the intervals of their differences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from byrote.errors import BadInput
from byrote.measures.catalog import catalog
from byrote.results import Scalar
from byrote.run import Run
from byrote.stats.jackknife import difference

Better = Literal["lower", "higher", ""]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One figure, before and after. `better` says in which direction a change helps; empty where it depends."""

    name: str
    before: Scalar
    after: Scalar
    difference: Scalar
    better: Better
    unit: str = ""

    @property
    def verdict(self) -> str:
        """`better`, `worse`, `no difference shown`, `the same` or, where no direction is good, `differs`."""
        low, high = self.difference.low, self.difference.high
        if len(self.difference.replicates) and not self.difference.value and not self.difference.replicates.any():
            return "the same"
        if np.isnan(low) or np.isnan(high):
            return "no error known" if not self.difference.reason else ""
        if low <= 0 <= high:
            return "no difference shown"
        if not self.better:
            return "differs"
        return "better" if (high < 0) == (self.better == "lower") else "worse"


@dataclass(frozen=True, kw_only=True)
class Card:
    """What a change did."""

    change: str
    stage: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...]


def card(before: Run, after: Run) -> Card:
    """Compare two runs on the examples that both have.

    Differences are taken pair by pair where both runs train the same seeds on the same members, and otherwise as
    those of independent runs.

    Raises:
        BadInput: the runs share no examples.
    """
    common, rows_before, rows_after = np.intersect1d(before.ids, after.ids, return_indices=True)
    if not len(common):
        raise BadInput(
            f"The runs {str(before.folder)!r} and {str(after.folder)!r} share no examples.",
            hint="a card compares a run with what `byrote change` made of it.",
        )
    paired = _same_models(before, after)
    told = after.manifest.parent or {}
    change = told.get("change", {})
    rows: list[Row] = []

    def add(name: str, figure: Callable[[Run, np.ndarray], Scalar], better: Better, unit: str = "") -> None:
        was, now = figure(before, rows_before), figure(after, rows_after)
        same = paired and len(was.replicates) == len(now.replicates) >= 3
        rows.append(
            Row(
                name=name,
                before=was,
                after=now,
                difference=difference(now, was, paired=same),
                better=better,
                unit=unit,
            )
        )

    add("accuracy on members", lambda run, rows: run.accuracy(member=1, rows=rows), "")
    if before.manifest.heldout is not None and after.manifest.heldout is not None:
        add("accuracy on held-out data", _heldout_accuracy, "higher")
    else:
        add("accuracy on non-members", lambda run, rows: run.accuracy(member=0, rows=rows), "higher")
    planted = np.zeros(len(common), bool)
    for kind in before.controls.kinds():
        mask = before.controls.mask(common, kind)
        planted |= mask
        if mask.any():
            add(
                f"label memorization of planted {kind.replace('_', ' ')}",
                _mean_of("label_memorization", mask),
                "lower",
            )
    forgotten = np.isin(common, np.array(told.get("forget", []), np.str_))
    if forgotten.any():
        add("label memorization of the examples to forget", _mean_of("label_memorization", forgotten), "")
    rest = ~(planted | forgotten)
    if rest.any():
        add("label memorization of the rest", _mean_of("label_memorization", rest), "lower")
    for key in sorted(_measured(before) & _measured(after) - {"label_memorization"}):
        add(key, _mean_of(key, np.ones(len(common), bool)), "", catalog()[key].unit)
    notes = [
        "Differences are taken pair by pair: both runs train the same seeds on the same members."
        if paired
        else "The runs train different models; differences are those of independent runs.",
        f"{len(common)} examples are in both runs.",
    ]
    if forgotten.any():
        notes.append(
            "The examples to forget were chosen for their high scores in the first run, so they score lower in any "
            "second one: part of that row's difference is chance, and it has no verdict of better or worse."
        )
    missing = len(before.ids) - len(common)
    if missing:
        notes.append(
            f"{missing} examples of the first run are not in the second and count in neither column; they were chosen "
            "by the first run's own scores, so what remains looks less memorized there by chance as well."
        )
    return Card(change=change.get("name", "none"), stage=change.get("stage", ""), rows=tuple(rows), notes=tuple(notes))


def _same_models(before: Run, after: Run) -> bool:
    seeds = [[entry.seed for entry in run.manifest.models] for run in (before, after)]
    same_design = before.design.fingerprint() == after.design.fingerprint()
    return same_design and seeds[0] == seeds[1] and np.array_equal(before.models(), after.models())


def _measured(run: Run) -> set[str]:
    known = catalog()
    names = {path.stem for path in (run.folder / "results").glob("*.parquet")}
    return {name for name in names if name in known and known[name].by_example}


def _mean_of(key: str, chosen: np.ndarray) -> Callable[[Run, np.ndarray], Scalar]:
    def figure(run: Run, rows: np.ndarray) -> Scalar:
        where = rows[chosen]

        def mean(values: np.ndarray) -> float:
            there = values[where]
            return float(there[~np.isnan(there)].mean()) if not np.isnan(there).all() else float("nan")

        return run.pooled(key, mean, examples=len(where))

    return figure


def _heldout_accuracy(run: Run, rows: np.ndarray) -> Scalar:
    accuracy = run.heldout_accuracy()
    assert accuracy is not None, "asked only of runs with held-out examples"
    return accuracy
