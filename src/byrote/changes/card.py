"""The before/after card: the same figures of two runs, and the intervals of their differences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from byrote.changes.cross_fit import CrossFit, cross_fit, ensemble_rates
from byrote.errors import BadInput
from byrote.measures.catalog import catalog
from byrote.results import Scalar
from byrote.run import Run
from byrote.stats.intervals import Bounds
from byrote.stats.jackknife import difference

Better = Literal["lower", "higher", ""]
Of = Callable[[Run, np.ndarray], Scalar]
SHARE: Bounds = (0.0, 1.0)
MEMORIZATION: Bounds = (-1.0, 1.0)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One figure, before and after. `better` says in which direction a change helps; empty where it depends.

    A row that is not `judged` rests on examples chosen by the first run's own scores.
    """

    name: str
    before: Scalar
    after: Scalar
    difference: Scalar
    better: Better
    unit: str = ""
    judged: bool = True

    @property
    def verdict(self) -> str:
        """`better`, `worse`, `no difference shown`, `the same`, `no verdict` or, with no good direction, `differs`."""
        low, high = self.difference.low, self.difference.high
        if len(self.difference.replicates) and not self.difference.value and not self.difference.replicates.any():
            return "the same"
        if np.isnan(low) or np.isnan(high):
            return "no error known" if not self.difference.reason else ""
        if not self.judged:
            return "no verdict"
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


@dataclass(frozen=True, kw_only=True)
class _Figure:
    """A row before its interval is known, which depends on how many rows there are."""

    name: str
    before: Scalar
    after: Scalar
    better: Better
    bounds: Bounds
    unit: str = ""
    judged: bool = True

    def row(self, *, paired: bool, comparisons: int) -> Row:
        same = paired and len(self.before.replicates) == len(self.after.replicates) >= 3
        changed = difference(self.after, self.before, paired=same, bounds=self.bounds, comparisons=comparisons)
        return Row(
            name=self.name,
            before=self.before,
            after=self.after,
            difference=changed,
            better=self.better,
            unit=self.unit,
            judged=self.judged,
        )


def card(before: Run, after: Run) -> Card:
    """Compare two runs on the examples that both have.

    Differences are taken pair by pair where both runs train the same seeds on the same members, and otherwise as
    those of independent runs. Intervals hold for all rows with a verdict at once.

    Raises:
        BadInput: the runs share no examples.
    """
    two = _Two.of(before, after)
    cross_fitted = two.cross_fitted()
    figures = [*two.accuracies(), *two.memorization(cross_fitted), *two.other_measures()]
    alone = [figure.row(paired=two.paired, comparisons=1) for figure in figures]
    verdicts = sum(row.judged and not np.isnan(row.difference.low) for row in alone)
    change = (after.manifest.parent or {}).get("change", {})
    return Card(
        change=change.get("name", "none"),
        stage=change.get("stage", ""),
        rows=tuple(figure.row(paired=two.paired, comparisons=max(1, verdicts)) for figure in figures),
        notes=(
            _pairing(before, two.paired),
            f"Intervals are so wide that those of all {verdicts} rows with a verdict hold at once at 95 % "
            "(Bonferroni): the chance that any of these verdicts comes from chance alone is at most 5 %.",
            f"{len(two.common)} examples are in both runs.",
            *_choice(cross_fitted, forgotten=int(two.forgotten.sum())),
            *_absence(two.removed, two.selected),
        ),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Two:
    """Two runs and the examples that both have; `selected` says that the first run's scores decided which these are."""

    before: Run
    after: Run
    common: np.ndarray
    rows: tuple[np.ndarray, np.ndarray]
    planted: np.ndarray
    forgotten: np.ndarray
    to_forget: int
    removed: int
    selected: bool
    paired: bool

    @classmethod
    def of(cls, before: Run, after: Run) -> _Two:
        common, rows_before, rows_after = np.intersect1d(before.ids, after.ids, return_indices=True)
        if not len(common):
            raise BadInput(
                f"The runs {str(before.folder)!r} and {str(after.folder)!r} share no examples.",
                hint="a card compares a run with what `byrote change` made of it.",
            )
        forget = np.array((after.manifest.parent or {}).get("forget", []), np.str_)
        removed = np.setdiff1d(before.ids, common)
        kinds = [before.controls.mask(common, kind) for kind in before.controls.kinds()]
        return cls(
            before=before,
            after=after,
            common=common,
            rows=(rows_before, rows_after),
            planted=np.any([np.zeros(len(common), bool), *kinds], axis=0),
            forgotten=np.isin(common, forget),
            to_forget=len(forget),
            removed=len(removed),
            selected=bool(np.isin(removed, forget).any()),
            paired=_same_models(before, after),
        )

    def figure(
        self, name: str, of: Of, better: Better, bounds: Bounds, unit: str = "", *, judged: bool | None = None
    ) -> _Figure:
        return _Figure(
            name=name,
            before=of(self.before, self.rows[0]),
            after=of(self.after, self.rows[1]),
            better=better,
            bounds=bounds,
            unit=unit,
            judged=not self.selected if judged is None else judged,
        )

    def accuracies(self) -> list[_Figure]:
        members = self.figure("accuracy on members", _accuracy(member=1), "", SHARE)
        if self.before.manifest.heldout is None or self.after.manifest.heldout is None:
            return [members, self.figure("accuracy on non-members", _accuracy(member=0), "higher", SHARE)]
        return [members, self.figure("accuracy on held-out data", _heldout_accuracy, "higher", SHARE, judged=True)]

    def cross_fitted(self) -> CrossFit | None:
        """Figures free of the choice by the first run's scores; None without a choice, or where it takes more pairs."""
        if not self.paired or not self.to_forget or self.forgotten.sum() < self.to_forget:
            return None
        return cross_fit(
            ensemble_rates(self.before),
            ensemble_rates(self.after),
            rows_before=self.rows[0],
            rows_after=self.rows[1],
            count=self.to_forget,
            planted=self.planted,
            models=len(self.before.models()),
        )

    def memorization(self, cross_fitted: CrossFit | None) -> list[_Figure]:
        """Label memorization by group of examples."""
        groups = {
            f"planted {kind.replace('_', ' ')}": self.before.controls.mask(self.common, kind)
            for kind in self.before.controls.kinds()
        }
        figures = [self._memorization_of(name, mask) for name, mask in groups.items() if mask.any()]
        if cross_fitted is not None:
            return figures + _cross_fitted(cross_fitted)
        groups = {"the examples to forget": self.forgotten, "the rest": ~(self.planted | self.forgotten)}
        judged = not self.to_forget
        return figures + [self._memorization_of(name, mask, judged) for name, mask in groups.items() if mask.any()]

    def _memorization_of(self, group: str, mask: np.ndarray, judged: bool | None = None) -> _Figure:
        of = _mean_of("label_memorization", mask, MEMORIZATION)
        return self.figure(f"label memorization of {group}", of, "lower", MEMORIZATION, judged=judged)

    def other_measures(self) -> list[_Figure]:
        """Means over the common examples of every measure that was taken on both runs."""
        everything = np.ones(len(self.common), bool)
        figures = []
        for key in sorted(_measured(self.before) & _measured(self.after) - {"label_memorization"}):
            entry = catalog()[key]
            figures.append(self.figure(key, _mean_of(key, everything, entry.range), "", entry.range, entry.unit))
        return figures


def _cross_fitted(found: CrossFit) -> list[_Figure]:
    groups = {"the examples to forget": found.chosen, "the rest": found.rest}
    return [
        _Figure(name=f"label memorization of {name}", before=was, after=now, better="lower", bounds=MEMORIZATION)
        for name, (was, now) in groups.items()
    ]


def _pairing(before: Run, paired: bool) -> str:
    if not paired:
        return "The runs train different models; differences are those of independent runs."
    if any(entry.seed is None for entry in before.manifest.models):
        return "Differences are taken pair by pair: the models of both runs have the same members and pairs."
    return "Differences are taken pair by pair: both runs train the same seeds on the same members."


def _choice(found: CrossFit | None, *, forgotten: int) -> list[str]:
    if found is not None:
        return [
            f"The {forgotten} examples to forget were chosen by the first run's own scores, so that they score lower "
            "in any second one by chance. In their row and in that of the rest, therefore, half of the pairs choose "
            f"the {forgotten} most memorized examples, the other half measure them in both runs, and then the halves "
            f"change places. Of those, {found.shared:.0%} are among the examples to forget: the row understates what "
            "the change did to these."
        ]
    if forgotten:
        return [
            "The examples to forget were chosen by the first run's own scores, so they score lower in any second one: "
            "part of the differences of their row and of the rest is chance, and neither has a verdict. It takes "
            "4 pairs, the same in both runs, to choose with half of them and to measure with the other."
        ]
    return []


def _absence(removed: int, selected: bool) -> list[str]:
    if not removed:
        return []
    text = f"{removed} examples of the first run are not in the second and count in neither column"
    if not selected:
        return [f"{text}."]
    return [
        f"{text}; they were chosen by the first run's own scores, so that what remains looks less memorized there by "
        "chance as well. Rows that rest on it have no verdict; held-out data are free of that."
    ]


def _same_models(before: Run, after: Run) -> bool:
    seeds = [[entry.seed for entry in run.manifest.models] for run in (before, after)]
    same_design = before.design.fingerprint() == after.design.fingerprint()
    return same_design and seeds[0] == seeds[1] and np.array_equal(before.models(), after.models())


def _measured(run: Run) -> set[str]:
    known = catalog()
    names = {path.stem for path in (run.folder / "results").glob("*.parquet")}
    return {name for name in names if name in known and known[name].by_example}


def _mean_of(key: str, chosen: np.ndarray, bounds: Bounds) -> Of:
    def figure(run: Run, rows: np.ndarray) -> Scalar:
        where = rows[chosen]

        def mean(values: np.ndarray) -> float:
            there = values[where]
            return float(there[~np.isnan(there)].mean()) if not np.isnan(there).all() else float("nan")

        return run.pooled(key, mean, examples=len(where), bounds=bounds)

    return figure


def _accuracy(*, member: int) -> Of:
    return lambda run, rows: run.accuracy(member=member, rows=rows)


def _heldout_accuracy(run: Run, rows: np.ndarray) -> Scalar:
    accuracy = run.heldout_accuracy()
    assert accuracy is not None, "asked only of runs with held-out examples"
    return accuracy
