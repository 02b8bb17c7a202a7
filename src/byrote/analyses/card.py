"""The before/after card: the same figures of two runs, and the intervals of their differences."""

from __future__ import annotations

import math
import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from byrote.analyses.card_language import SPOKEN, language_figures
from byrote.analyses.catalog import analysis
from byrote.analyses.pattern_or_rote import success_of
from byrote.analyses.robustness import Strength, strength_of
from byrote.blocks import Block, Words, notes_of, plain_blocks, section
from byrote.changes.cross_fit import CrossFit, cross_fit, ensemble_rates
from byrote.data.controls import POISONS
from byrote.errors import BadInput, TooFewModels
from byrote.evidence.kinds.stamped import STAMPED
from byrote.evidence.schema import kind_of
from byrote.markup import table_html
from byrote.measures.catalog import Measure, catalog
from byrote.results import Scalar, Table, decimal
from byrote.runs.run import OnProgress, Run, no_progress
from byrote.stats.intervals import Bounds
from byrote.stats.jackknife import difference
from byrote.tabular import Tabular

Better = Literal["lower", "higher", ""]
#: What a row tells: what was gained, as less memorization; what that cost; what holds under an attack on the inputs;
#: the mean of a measure; or how models fit.
Tells = Literal["gain", "cost", "robust", "measure", ""]
Of = Callable[[Run, np.ndarray], Scalar]
SHARE: Bounds = (0.0, 1.0)
MEMORIZATION: Bounds = (-1.0, 1.0)
MEMBERS = "accuracy on members"
#: The measure of label memorization by the answers under an attack on the inputs.
UNDER_ATTACK = "label_memorization[adversarial]"
#: The figures of each row of the table.
FIGURES = ("before", "after", "difference")
#: Below this mean accuracy on members a recipe does not interpolate, and memorization cannot show.
INTERPOLATES = 0.98
#: How the note begins of a second run that no longer fits what it trains on.
UNFIT = "The models of the second run no longer fit their training data"
#: What choosing examples by the scores that are compared does to a comparison.
BY_SCORE = (
    "they were chosen because their scores were highest in the first run. The scores of the remaining examples are "
    "therefore too low there, by chance: their fall is understated, and a rise overstated. Rows that rest on them have "
    "no verdict; held-out data are free of that."
)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One figure, before and after. `better` says in which direction a change helps; empty where it depends.

    A row that is not `judged` rests on examples chosen by the first run's own scores, or holds by construction.
    """

    name: str
    before: Scalar
    after: Scalar
    difference: Scalar
    better: Better
    unit: str = ""
    judged: bool = True
    remark: str = ""
    tells: Tells = ""

    def __str__(self) -> str:
        """Two lines: the name, then before, after, the difference with its interval, and the verdict."""
        return two_lines(self.name, self.remarked, self.before, self.after, self.difference)

    @property
    def interval(self) -> str:
        """The interval of the difference; empty where it is unknown."""
        return interval_words(self.difference)

    @property
    def remarked(self) -> str:
        """The verdict, with the remark on it."""
        return f"{self.verdict} ({self.remark})" if self.remark else self.verdict

    @property
    def verdict(self) -> str:
        """`better`, `worse`, `no difference shown`, `the same`, `no verdict` or, with no good direction, `differs`."""
        low, high = self.difference.low, self.difference.high
        moved = self.difference.value or self.difference.replicates.any() or self.difference.stderr > 0
        if not moved and (len(self.difference.replicates) or low == high == 0):
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


def interval_words(of: Scalar) -> str:
    """The interval of a difference; empty where it is unknown."""
    return "" if math.isnan(of.low) else f"{of.low:+.3f} to {of.high:+.3f}"


def two_lines(name: str, verdict: str, before: Scalar, after: Scalar, change: Scalar) -> str:
    """A figure of a card: its name, and below it what it was, is, how that differs, and the verdict."""
    interval = f"95 % {interval_words(change)}" if interval_words(change) else "interval unknown"
    differs = f"{change.value:+.3f}" if not math.isnan(change.value) else "undefined"
    return f"{name}\n  {decimal(before)} → {decimal(after)}, {differs} ({interval})  {verdict}"


@dataclass(frozen=True, kw_only=True, repr=False)
class Card(Tabular):
    """What a change did; print it to see all of it."""

    change: str
    stage: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join([*map(str, self.rows), *self.notes])

    def columns(self) -> Mapping[str, Any]:
        """A row for each of before, after and difference of each figure, with its parts."""
        return as_table(self).columns()

    def _repr_html_(self) -> str:
        rows = [
            (row.name, *(decimal(getattr(row, name)) for name in FIGURES), row.interval or "–", row.remarked)
            for row in self.rows
        ]
        columns = ("what", *FIGURES, "95 % interval", "verdict")
        return table_html(as_table(self).title, columns, rows, self.notes)

    def __repr__(self) -> str:
        counts = Counter(row.verdict or "undefined" for row in self.rows)
        return f"Card({self.change}: {', '.join(f'{count} {verdict}' for verdict, count in counts.items())})"


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
    remark: str = ""
    tells: Tells = ""
    same_examples: bool = True

    def row(self, *, paired: bool, comparisons: int) -> Row:
        same = paired and len(self.before.replicates) == len(self.after.replicates) >= 3
        changed = difference(
            self.after,
            self.before,
            paired=same,
            same_examples=self.same_examples,
            bounds=self.bounds,
            comparisons=comparisons,
        )
        return Row(
            name=self.name,
            before=self.before,
            after=self.after,
            difference=changed,
            better=self.better,
            unit=self.unit,
            judged=self.judged,
            remark=self.remark,
            tells=self.tells,
        )


def as_table(found: Card) -> Table:
    """A row for each figure: before, after, and the difference."""
    return Table(
        title=f"Before and after {found.change}",
        rows={"what": tuple(row.name for row in found.rows), "verdict": tuple(row.remarked for row in found.rows)},
        figures={name: tuple(getattr(row, name) for row in found.rows) for name in FIGURES},
        notes=found.notes,
    )


@analysis(
    asks="What did the change do, and what did it cost?",
    section="5.6",
    runs=("before", "after"),
    name="card",
    table=as_table,
)
def card(before: Run, after: Run, on_progress: OnProgress = no_progress) -> Card:
    """Compare two runs on the examples that both have: those of the same id, input and label.

    Differences are taken pair by pair where both runs train the same seeds on the same members, and otherwise as
    those of independent runs. Intervals hold for all rows with a verdict at once. `on_progress` is given the share that
    is done.

    Raises:
        BadInput: the second run is what the first was made from, or they share no examples, or are of different
            classes or shapes of inputs.
        TooFewModels: too many models of one of them diverged.

    Example:
        >>> before = byrote.Run.open("runs/tiny")
        >>> after = byrote.import_arrays(
        ...     "runs/after",
        ...     labels=before.labels,
        ...     member=before.design.member,
        ...     evidence={"outputs.correct": np.array([[1, 1, 0, 1], [0, 0, 1, 1], [1, 1, 1, 1], [1, 1, 0, 1]], bool)},
        ...     pair=np.array([0, 0, 1, 1]),
        ... )
        >>> [row.name for row in byrote.card(before, after).rows]
        ['accuracy on members', 'accuracy on non-members', 'label memorization of all examples']
    """
    _refuse_swapped(before, after)
    _refuse_diverged(before, "before the change")
    _refuse_diverged(after, "after the change")
    if before.of_text and after.of_text:
        return _of_text(before, after)
    two = _Two.of(before, after)
    cross_fitted = two.cross_fitted()
    figures = [
        *two.accuracies(),
        *two.robustness(),
        *two.backdoor(),
        *two.memorization(cross_fitted),
        *two.other_measures(on_progress),
    ]
    if not figures:
        raise BadInput(
            f"The runs {str(before.folder)!r} and {str(after.folder)!r} have no figure in common: no clean pass at the "
            "end of training, and no measure.",
            hint="let the Recorder make a clean pass after the last epoch of both, or compare how training went: "
            "`byrote measure RUN cumulative_sample_loss[presentation]` of both, and then the card.",
        )
    alone = [figure.row(paired=two.paired, comparisons=1) for figure in figures]
    verdicts = sum(row.judged and not np.isnan(row.difference.low) for row in alone)
    change = _change(after)
    return Card(
        change=change.get("name", "none"),
        stage=change.get("stage", ""),
        rows=tuple(figure.row(paired=two.paired, comparisons=max(1, verdicts)) for figure in figures),
        notes=(
            _pairing(before, after, two.paired),
            *_varying(figures),
            *_at_once(verdicts),
            *_turned(figures),
            *_fitting(figures),
            *_not_compared(two),
            *_attacked(two),
            *_examples(two),
            *_choice(cross_fitted, forgotten=int(two.forgotten.sum()) if two.to_forget else 0),
            *_absence(two.removed, two.removed_by_score),
            *_poisons_removed(two),
            *_relabelling(len(two.relabelled[0]), two.relabelled_by_score),
            *_private(before, after),
        ),
    )


def gain_and_cost(before: Run, after: Run, *, comparisons: int) -> tuple[Row, Row]:
    """What a card tells of memorization over all common examples and of its cost, in intervals for so many comparisons.

    Of language models: the first figure of a gain, and the first of a cost.

    Raises:
        BadInput: a run has no such figures, or they share no examples.
        TooFewModels: too many models of one of them diverged.
    """
    _refuse_diverged(before, "to compare with")
    _refuse_diverged(after, "that is compared")
    paired = True
    if before.of_text and after.of_text:
        figures = [_Figure(**vars(figure)) for figure in language_figures(before, after)[0]]
    else:
        two = _Two.of(before, after)
        paired = two.paired
        everything = np.ones(len(two.common), bool)
        figures = [two.memorization_of("all examples", everything)] if two.told_apart else []
        figures += two.accuracies()
    found = [next((figure for figure in figures if figure.tells == tells), None) for tells in ("gain", "cost")]
    gain, cost = (None if one is None else one.row(paired=paired, comparisons=comparisons) for one in found)
    if gain is None or cost is None:
        raise BadInput(
            f"The runs {str(before.folder)!r} and {str(after.folder)!r} do not both tell of memorization and of "
            "accuracy on other examples.",
            hint="compare runs of ensembles: byrote audit SOURCE, and byrote change RUN --with CHANGE.",
        )
    return gain, cost


def _of_text(before: Run, after: Run) -> Card:
    """The card of language models, whose units are texts and canaries."""
    for run in (before, after):
        if run.forgotten:
            raise BadInput(
                f"The texts of the run {str(run.folder)!r} were forgotten, so they cannot be found in another run.",
                hint="write the card before `byrote forget-contents`; it holds no texts.",
            )
    found, notes = language_figures(before, after)
    figures = [_Figure(**{**vars(figure), "remark": _linked(figure.name, after)}) for figure in found]
    alone = [figure.row(paired=True, comparisons=1) for figure in figures]
    verdicts = sum(bool(row.better) and not row.remark and not np.isnan(row.difference.low) for row in alone)
    change = _change(after)
    return Card(
        change=change.get("name", "none"),
        stage=change.get("stage", ""),
        rows=tuple(_exact(figure.row(paired=True, comparisons=max(1, verdicts))) for figure in figures),
        notes=(*_at_once(verdicts, "the choice of texts and canaries"), *notes),
    )


def _exact(row: Row) -> Row:
    """A row that is the same by construction: its difference is 0, with no error."""
    if not row.remark:
        return row
    return replace(row, difference=replace(row.difference, value=0.0, stderr=0.0, low=0.0, high=0.0, reason=""))


def _linked(name: str, after: Run) -> str:
    """That a figure is the same by construction, where a decoder changed and it rests on the weights."""
    own = name.startswith(SPOKEN) or ("canaries" in after.guarded and name.startswith("exposure of"))
    return "by construction: read off the same weights" if after.guarded and not own else ""


def _change(run: Run) -> dict[str, Any]:
    change: dict[str, Any] = (run.manifest.parent or {}).get("change", {})
    return change


def _refuse_diverged(run: Run, when: str) -> None:
    if not run.design.models:
        raise TooFewModels(
            f"The run {when}, {str(run.folder)!r}, holds no models, so it cannot be compared.",
            hint="compare runs that were audited; one of released values cannot be compared.",
        )
    try:
        run.models()
    except TooFewModels as error:
        raise TooFewModels(
            f"The run {when}, {str(run.folder)!r}, cannot be compared, because training broke down in it: "
            f"{error.message}",
            hint=error.hint,
        ) from error


@dataclass(frozen=True, kw_only=True, eq=False)
class _Two:
    """Two runs and their common examples, `common` by id and `rows` in either run.

    `to_forget` counts the examples that the first run's scores chose. `relabelled` are the rows of examples with
    another label in the second run, which are not common; `replaced` counts ids that stand for other inputs there,
    and is None where inputs were not recorded.
    """

    before: Run
    after: Run
    common: np.ndarray
    rows: tuple[np.ndarray, np.ndarray]
    relabelled: tuple[np.ndarray, np.ndarray]
    replaced: int | None
    planted: np.ndarray
    forgotten: np.ndarray
    to_forget: int
    removed: int
    added: int
    removed_by_score: bool
    relabelled_by_score: bool
    paired: bool

    @classmethod
    def of(cls, before: Run, after: Run) -> _Two:
        _refuse_other_data(before, after)
        _refuse_other_positions(before, after)
        ids, rows_before, rows_after = np.intersect1d(before.ids, after.ids, return_indices=True)
        inputs = [_contents(run) for run in (before, after)]
        known = inputs[0] is not None and inputs[1] is not None
        alike = np.ones(len(ids), bool)
        if inputs[0] is not None and inputs[1] is not None:
            alike = inputs[0][rows_before] == inputs[1][rows_after]
        agree = before.labels[rows_before] == after.labels[rows_after]
        kept, turned = alike & agree, alike & ~agree
        if not kept.any():
            why = "" if not len(ids) else ": the same ids stand for other " + ("labels" if alike.any() else "inputs")
            raise BadInput(
                f"The runs {str(before.folder)!r} and {str(after.folder)!r} share no examples{why}.",
                hint="a card compares a run with what `byrote change` made of it.",
            )
        common = ids[kept]
        parent = after.manifest.parent or {}
        forget = np.array(parent.get("forget", []), np.str_)
        by_score = parent.get("chosen") != "by name"
        removed = np.setdiff1d(before.ids, ids)
        kinds = [before.controls.mask(common, kind) for kind in before.controls.kinds()]
        return cls(
            before=before,
            after=after,
            common=common,
            rows=(rows_before[kept], rows_after[kept]),
            relabelled=(rows_before[turned], rows_after[turned]),
            replaced=int((~alike).sum()) if known else None,
            planted=np.any([np.zeros(len(common), bool), *kinds], axis=0),
            forgotten=np.isin(common, forget),
            to_forget=len(forget) if by_score else 0,
            removed=len(removed),
            added=len(after.ids) - len(ids),
            removed_by_score=by_score and bool(np.isin(removed, forget).any()),
            relabelled_by_score=by_score and bool(np.isin(ids[turned], forget).any()),
            paired=_same_models(before, after, (rows_before, rows_after)),
        )

    @property
    def answered(self) -> bool:
        """Whether both runs recorded what their models answer at the end of training."""
        return all("outputs" in run.manifest.evidence for run in (self.before, self.after))

    @property
    def told_apart(self) -> bool:
        """Whether some models of both runs trained on an example and others did not."""
        return self.answered and all(_with_and_without(run) for run in (self.before, self.after))

    @property
    def selected(self) -> bool:
        """Whether the first run's scores decided which examples are common."""
        return self.removed_by_score or self.relabelled_by_score

    def figure(
        self,
        name: str,
        of: Of,
        better: Better,
        bounds: Bounds,
        *,
        tells: Tells = "",
        unit: str = "",
        judged: bool | None = None,
    ) -> _Figure:
        return _Figure(
            name=name,
            before=of(self.before, self.rows[0]),
            after=of(self.after, self.rows[1]),
            better=better,
            bounds=bounds,
            unit=unit,
            judged=not self.selected if judged is None else judged,
            tells=tells,
        )

    def accuracies(self) -> list[_Figure]:
        if not self.answered:
            return []
        members = self.figure(MEMBERS, _accuracy(member=1), "", SHARE)
        if not self.told_apart and self._without_heldout:
            return [members]
        if self._without_heldout:
            outside = self.figure("accuracy on non-members", _accuracy(member=0), "higher", SHARE, tells="cost")
            return [members, outside]
        return [
            members,
            replace(
                self.figure("accuracy on held-out data", _heldout_accuracy, "higher", SHARE, tells="cost", judged=True),
                same_examples=_held_out(self.before) == _held_out(self.after),
            ),
        ]

    @cached_property
    def strengths(self) -> tuple[Strength | None, Strength | None]:
        """How strong the attacks on the inputs of either run were."""
        return strength_of(self.before), strength_of(self.after)

    def robustness(self) -> list[_Figure]:
        """Accuracy under an attack on the inputs, where both runs were attacked alike."""
        if not self.answered or self.strengths[0] is None or self.strengths[0] != self.strengths[1]:
            return []
        name = "accuracy under attack on"
        within = _accuracy(member=1, answers="adversarial.correct")
        found = [self.figure(f"{name} members", within, "higher", SHARE, tells="robust")]
        if self.told_apart:
            of = _mean_of(UNDER_ATTACK, np.ones(len(self.common), bool), MEMORIZATION)
            row = self.figure("label memorization under attack", of, "lower", MEMORIZATION, tells="gain")
            found.append(row)
        if self._without_heldout:
            return found
        held = self.figure(f"{name} held-out data", _heldout_robust, "higher", SHARE, tells="robust", judged=True)
        return [*found, replace(held, same_examples=_held_out(self.before) == _held_out(self.after))]

    @property
    def _without_heldout(self) -> bool:
        return self.before.manifest.heldout is None or self.after.manifest.heldout is None

    def backdoor(self) -> list[_Figure]:
        """The success of a planted backdoor, where models of both runs were shown its trigger."""
        if not all(STAMPED.name in run.manifest.evidence for run in (self.before, self.after)):
            return []
        figure = self.figure(
            "attack success of the backdoor",
            lambda run, rows: success_of(run, run.models()),
            "lower",
            MEMORIZATION,
            tells="gain",
            judged=True,
        )
        return [replace(figure, same_examples=_held_out(self.before) == _held_out(self.after))]

    def cross_fitted(self) -> CrossFit | None:
        """Figures free of the choice by the first run's scores; None without a choice, or where it takes more pairs."""
        if not self.told_apart or not self.paired or not self.to_forget or self.forgotten.sum() < self.to_forget:
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
        if not self.told_apart:
            return []
        groups = {
            f"planted {kind.replace('_', ' ')}": self.before.controls.mask(self.common, kind)
            for kind in self.before.controls.kinds()
        }
        figures = [self.memorization_of(name, mask) for name, mask in groups.items() if mask.any()]
        figures += self._memorization_of_relabelled()
        if cross_fitted is not None:
            return figures + _cross_fitted(cross_fitted)
        others = self.planted | self.forgotten
        whole = "the examples of both runs" if self.removed or self.added else "all examples"
        rest = "the rest" if others.any() else whole
        groups = {"the examples to forget": self.forgotten, rest: ~others}
        judged = not self.to_forget
        return figures + [self.memorization_of(name, mask, judged) for name, mask in groups.items() if mask.any()]

    def memorization_of(self, group: str, mask: np.ndarray, judged: bool | None = None) -> _Figure:
        of = _mean_of("label_memorization", mask, MEMORIZATION)
        return self.figure(f"label memorization of {group}", of, "lower", MEMORIZATION, tells="gain", judged=judged)

    def _memorization_of_relabelled(self) -> list[_Figure]:
        where = self.relabelled
        if not len(where[0]):
            return []
        of = _mean_of("label_memorization", np.ones(len(where[0]), bool), MEMORIZATION)
        return [
            _Figure(
                name="label memorization of the examples with another label",
                before=of(self.before, where[0]),
                after=of(self.after, where[1]),
                better="lower",
                bounds=MEMORIZATION,
                judged=False,
                tells="gain",
            )
        ]

    def other_measures(self, on_progress: OnProgress) -> list[_Figure]:
        """Means over the common examples of every measure that was taken on both runs."""
        everything = np.ones(len(self.common), bool)
        figures = []
        keys = sorted(_measured(self.before) & _measured(self.after) - {"label_memorization", UNDER_ATTACK})
        for done, key in enumerate(keys, start=1):
            entry = catalog()[key]
            figure = self.figure(
                key, _mean_of(key, everything, entry.range), "", entry.range, unit=entry.unit, tells="measure"
            )
            figures.append(replace(figure, remark=self._remark(entry)))
            on_progress(done / len(keys))
        return figures

    def _remark(self, entry: Measure) -> str:
        """Of a measure that watches training, where the change came after it."""
        watches = any(kind_of(kind).in_training for kind in entry.kinds)
        after_training = _change(self.after).get("stage") == "model"
        return "it watches training, which ended before the change" if watches and after_training else ""


def _cross_fitted(found: CrossFit) -> list[_Figure]:
    groups = {"the examples to forget": found.chosen, "the rest": found.rest}
    return [
        _Figure(
            name=f"label memorization of {name}",
            before=was,
            after=now,
            better="lower",
            bounds=MEMORIZATION,
            tells="gain",
        )
        for name, (was, now) in groups.items()
    ]


def _pairing(before: Run, after: Run, paired: bool) -> str:
    if min(len(run.models()) for run in (before, after)) == 1:
        return "One training has no error: with another seed it would differ, too, and by how much is not known."
    if not paired:
        return "The runs train different models; differences are those of independent runs."
    if any(entry.seed is None for entry in before.manifest.models):
        return "Differences are taken pair by pair: the models of both runs have the same members and pairs."
    return "Differences are taken pair by pair: both runs train the same seeds on the same members."


def _varying(figures: Sequence[_Figure]) -> list[str]:
    """What errors are about."""
    both = [figure.name for figure in figures if figure.after.varies_over == "models and examples"]
    if not both:
        return ["± and intervals are about other models on these examples."]
    same = "" if all(figure.same_examples for figure in figures) else ", which the two runs do not share"
    return [
        f"± and intervals of {' and '.join(both)} are about other models and other examples{same}; all others are "
        "about other models on these examples."
    ]


def _at_once(verdicts: int, chance: str = "chance") -> list[str]:
    if not verdicts:
        return ["No row has a verdict; each interval holds by itself at 95 %."]
    if verdicts == 1:
        return ["One row has a verdict; its interval holds at 95 %."]
    return [
        f"The {verdicts} intervals of rows with a verdict are Bonferroni-adjusted: their joint coverage is 95 "
        f"%, so the "
        f"probability that any verdict is due to {chance} alone is at most 5 %."
    ]


def _turned(figures: Sequence[_Figure]) -> list[str]:
    """That measures have one orientation, where there are some."""
    if not any(figure.tells == "measure" for figure in figures):
        return []
    return [
        "Measures are higher where more is memorized; where they were published the other way round, as "
        "area_under_margin, the sign is turned."
    ]


def _fitting(figures: Sequence[_Figure]) -> list[str]:
    """A warning where what was changed keeps models from fitting what they are trained on."""
    fit = next((figure for figure in figures if figure.name == MEMBERS), None)
    if fit is None or not fit.before.value >= INTERPOLATES > fit.after.value:
        return []
    return [
        f"{UNFIT}: {fit.after.value:.1%} of it, and {fit.before.value:.1%} before. What they do not fit they cannot "
        "memorize; train the second run longer to tell the two apart."
    ]


def _not_compared(two: _Two) -> list[str]:
    """What is not compared, and what that would take."""
    if not two.answered:
        return [
            "Accuracy and label memorization are not compared: not every model of both runs has a clean pass over all "
            "examples after its last epoch, recorder.clean_pass(model, loader)."
        ]
    if two.told_apart:
        return []
    return [
        "Label memorization is not compared: it takes models that were trained without an example beside models that "
        "were trained on it, 8 or more of them in both runs."
    ]


def _attacked(two: _Two) -> list[str]:
    """How strong the attacks on the inputs were, or why accuracy under attack is not compared."""
    was, now = two.strengths
    if was is not None and was == now:
        return [f"Under attack: {was}. A stronger attack may find more: robust accuracy is at most this."]
    why = "Accuracy under attack is not compared:"
    if was is not None and now is not None:
        return [f"{why} the attacks differ. Before: {was}. After: {now}."]
    made = _change(two.after)
    names = {made.get("name"), *(one.get("name") for one in made.get("changes", ()))}
    if was is None and now is None and not names & {"pgd", "trades"}:
        return []
    return [
        f"{why} it takes the answers of both runs to attacked inputs. Audit into another folder with --probe "
        "adversarial,radius=0.1, and change that run; `byrote probe RUN adversarial,radius=0.1` reads runs that kept "
        "their weights."
    ]


def _examples(two: _Two) -> list[str]:
    notes = [f"{len(two.common)} examples are in both runs with the same label."]
    if two.added:
        notes.append(f"{two.added} examples of the second run are not in the first and count in neither column.")
    if two.replaced is None:
        by = "positions" if _numbered(two.before) and _numbered(two.after) else "ids"
        return [*notes, f"They are matched by their {by} alone: the inputs of one of the runs were not recorded."]
    if two.replaced:
        notes.append(f"{two.replaced} ids stand for other inputs in the second run and count in neither column.")
    return notes


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
            "The examples to forget were chosen because their scores were highest in the first run. By chance these "
            "are too high there, and those of the rest too low: the fall of the examples to forget is overstated, "
            "that of the rest understated, and neither row has a verdict. It takes 4 pairs, the same in both runs, to "
            "choose with half of them and to measure with the other."
        ]
    return []


def _private(before: Run, after: Run) -> list[str]:
    """What the private training of either run guarantees; where it is about one example, a card confirms nothing."""
    notes = [
        f"Private training {when} the change: {' '.join(words)}"
        for when, words in (("before", before.manifest.guaranteed), ("after", after.manifest.guaranteed))
        if words
    ]
    said = "What attacks find can contradict a guarantee of privacy; a low figure confirms none."
    return [*notes, said] if notes else []


def _absence(removed: int, by_score: bool) -> list[str]:
    if not removed:
        return []
    text = f"{removed} examples of the first run are not in the second and count in neither column"
    return [f"{text}; {BY_SCORE}" if by_score else f"{text}."]


def _poisons_removed(two: _Two) -> list[str]:
    """How many of the poisons of a backdoor were removed, beside what chance removes."""
    poisons = np.isin(two.before.ids, two.before.controls.example[np.isin(two.before.controls.kind, POISONS)])
    if not poisons.any() or not two.removed:
        return []
    found = int((poisons & ~np.isin(two.before.ids, two.after.ids)).sum())
    return [
        f"Of the {int(poisons.sum())} poisons of the backdoor {found} were removed ({found / poisons.sum():.0%}); as "
        f"many examples removed at random would hold {two.removed / len(poisons):.0%} of them."
    ]


def _relabelling(relabelled: int, by_score: bool) -> list[str]:
    if not relabelled:
        return []
    text = (
        f"{relabelled} examples have another label in the second run. What models say of their labels differs by "
        "construction: their row has no verdict, and they count in no other"
    )
    return [f"{text}; {BY_SCORE}" if by_score else f"{text}."]


def _refuse_swapped(before: Run, after: Run) -> None:
    """Refuse a child before its parent, of which nothing would be known of what was chosen by scores."""
    parent = (before.manifest.parent or {}).get("folder")
    if parent is not None and Path(str(parent)) == after.folder.resolve():
        raise BadInput(
            f"The run {str(before.folder)!r} was made from {str(after.folder)!r} by `byrote change`, so it is the run "
            "after the change and comes second.",
            hint=f"byrote card {shlex.quote(str(after.folder))} {shlex.quote(str(before.folder))}",
        )


def _refuse_other_data(before: Run, after: Run) -> None:
    if before.of_text != after.of_text:
        raise BadInput(
            f"Of the runs {str(before.folder)!r} and {str(after.folder)!r} only one is of language models.",
            hint="a card compares a run with what `byrote change` made of it.",
        )
    known = {"input_shape": "inputs of shape", "class_names": "the classes"}
    for name, words in known.items():
        was, now = (run.manifest.dataset.get(name) for run in (before, after))
        if was is not None and now is not None and list(was) != list(now):
            raise BadInput(
                f"The runs {str(before.folder)!r} and {str(after.folder)!r} are of different data: "
                f"{words} {tuple(was)} and {tuple(now)}.",
                hint="a card compares a run with what `byrote change` made of it.",
            )


def _numbered(run: Run) -> bool:
    """Whether its examples were recorded without names and inputs, and are known by their positions alone."""
    return run.manifest.origin == "observed" and run.ids.tolist() == [str(row) for row in range(len(run.ids))]


def _refuse_other_positions(before: Run, after: Run) -> None:
    """Refuse examples that only positions name where the positions are those of other data sets.

    Raises:
        BadInput: they are.
    """
    sizes = [len(run.ids) for run in (before, after)]
    if sizes[0] != sizes[1] and _numbered(before) and _numbered(after):
        raise BadInput(
            f"The runs {str(before.folder)!r} and {str(after.folder)!r} know their {sizes[0]} and {sizes[1]} examples "
            "by position only, so it is unknown which are the same.",
            hint="name them in both recordings, Recorder(…, ids=names), so that an example keeps its name where others "
            "are removed.",
        )


def _contents(run: Run) -> np.ndarray | None:
    """Digests of the inputs; None where they were not recorded."""
    table = run.examples
    return np.array(table["content"].to_pylist(), np.str_) if "content" in table.column_names else None


def _held_out(run: Run) -> dict[str, Any]:
    """What is known of a run's held-out data, their name aside."""
    return {key: value for key, value in (run.manifest.heldout or {}).items() if key not in ("name", "groups")}


def _same_models(before: Run, after: Run, rows: tuple[np.ndarray, np.ndarray]) -> bool:
    """Whether model k of both runs has the same seed and pair, and trained on the same of these common examples."""
    designs = [run.design for run in (before, after)]
    fixed = [
        (
            [entry.seed for entry in run.manifest.models],
            [(phase.name, phase.epochs) for phase in run.design.phases],
            run.design.pair.tolist(),
            run.design.role.tolist(),
            run.models().tolist(),
        )
        for run in (before, after)
    ]
    shown = [[phase.count[:, own] for phase in design.phases] for design, own in zip(designs, rows, strict=True)]
    return fixed[0] == fixed[1] and all(map(np.array_equal, *shown))


def _with_and_without(run: Run) -> bool:
    """Whether some of its models trained on an example and others did not."""
    member = run.member[run.models()]
    return bool(((member == 1).any(0) & (member == 0).any(0)).any())


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


def _accuracy(*, member: int, answers: str = "outputs.correct") -> Of:
    return lambda run, rows: run.accuracy(member=member, rows=rows, answers=answers)


def _heldout_accuracy(run: Run, rows: np.ndarray, answers: str = "heldout.correct") -> Scalar:
    accuracy = run.heldout_accuracy(answers=answers)
    assert accuracy is not None, "asked only of runs with held-out examples"
    return accuracy


def _heldout_robust(run: Run, rows: np.ndarray) -> Scalar:
    return _heldout_accuracy(run, rows, "adversarial.heldout_correct")


@section(of="card", title="Before and after", order=30)
def shown(table: Table, *, narrow: bool = False) -> Iterable[Block]:
    """A row for each figure, or, where it is narrow, two lines for each; and what to know of them."""
    if not narrow:
        yield from plain_blocks(table)
        return
    for line in _lines(table):
        yield Words(text=line)
    yield from notes_of(table)


def _lines(table: Table) -> Iterator[str]:
    figures = [table.figures[name] for name in FIGURES]
    for name, verdict, *three in zip(*table.rows.values(), *figures, strict=True):
        yield from two_lines(name, verdict, *three).splitlines()
