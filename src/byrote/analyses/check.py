"""Conditions on a run for somebody's CI: `label_memorization.top1% > .5`, judged with the figure's error."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from xml.etree import ElementTree

import numpy as np

from byrote.analyses.catalog import analysis
from byrote.analyses.membership import membership_attack
from byrote.analyses.memorized_share import memorized_share
from byrote.blocks import Block, Words, section
from byrote.errors import BadInput, MissingEvidence, TooFewModels
from byrote.measures.catalog import find
from byrote.results import PerCanary, Result, Scalar, Table
from byrote.runs.run import Run
from byrote.stats.intervals import mean_interval
from byrote.stats.moments import Moments

_OPERATORS: Final[dict[str, Callable[[float, float], bool]]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
_CONDITION: Final = re.compile(
    r"\s*(?P<what>[\w\[\]]+)\.(?P<figure>[\w.%]+)(?:\s+of\s+(?P<kind>[\w-]+))?\s*(?P<operator>[<>]=?)\s*(?P<bound>\S+)\s*"
)
_TOP: Final = re.compile(r"top(?P<percent>\d+(?:\.\d+)?)%")
_PLAIN: Final[dict[str, Callable[[np.ndarray], float]]] = {
    "mean": lambda values: float(np.mean(values)),
    "median": lambda values: float(np.median(values)),
    "max": lambda values: float(np.max(values)),
}
_ACCURACIES: Final = ("members", "nonmembers", "heldout")
_GRAMMAR: Final = (
    "MEASURE.FIGURE [of CONTROL] > NUMBER, as in 'label_memorization.top1% > .5': FIGURE is mean, median, max or "
    "topP% (the mean of the highest P percent); 'memorized.share', the headline of the report; 'members.accuracy', "
    "'nonmembers.accuracy', 'heldout.accuracy'; of an attack, 'lira.auc'; of a measure that is one number, "
    "'unintended_memorization.value'; of canaries, "
    "'exposure[best].max', or 'exposure[best].mean of 4' of those planted 4 times."
)


@dataclass(frozen=True, kw_only=True)
class Condition:
    """What a run must not be: a figure above or below a bound."""

    text: str
    what: str
    figure: str
    kind: str | None
    operator: str
    bound: float

    @classmethod
    def parse(cls, text: str) -> Condition:
        """A condition as a person writes it.

        Raises:
            BadInput: it cannot be read.

        Example:
            >>> Condition.parse("label_memorization.top1% > .5").bound
            0.5
        """
        match = _CONDITION.fullmatch(text)
        if match is None:
            raise BadInput(f"The condition {text!r} cannot be read.", hint=f"write {_GRAMMAR}")
        try:
            bound = float(match["bound"])
        except ValueError:
            bound = math.nan
        if not math.isfinite(bound):
            raise BadInput(f"The bound {match['bound']!r} of the condition {text!r} is not a number.", hint=_GRAMMAR)
        kind = match["kind"] and match["kind"].replace("-", "_")
        return cls(
            text=text.strip(),
            what=match["what"],
            figure=match["figure"],
            kind=kind,
            operator=match["operator"],
            bound=bound,
        )

    def refuses(self, value: float) -> bool:
        """Whether a figure of this value lies on the refused side."""
        return _OPERATORS[self.operator](value, self.bound)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether a condition holds of a run; where it holds, the check fails.

    `unsure` says that the interval reaches over the bound, so that other models could have said otherwise; `problem`
    why the figure is not known, which fails as well.
    """

    condition: Condition
    figure: Scalar | None
    problem: str = ""

    @property
    def holds(self) -> bool:
        """Whether the figure itself lies on the refused side."""
        return self.figure is not None and self._refused(self.figure.value)

    @property
    def unsure(self) -> bool:
        """Whether the interval lies on both sides of the bound, or there is none."""
        return self.figure is not None and (
            not self._bounded or self._refused(self.figure.low) != self._refused(self.figure.high)
        )

    @property
    def _bounded(self) -> bool:
        return self.figure is not None and not math.isnan(self.figure.low) and not math.isnan(self.figure.high)

    def failed(self, *, strict: bool) -> bool:
        """Whether the check fails; `strict` fails what is unsure, too."""
        return bool(self.problem) or self.holds or (strict and self.unsure)

    @property
    def word(self) -> str:
        """`FAIL` where the check fails, `unsure` where it does only if strict, `pass` otherwise."""
        return "FAIL" if self.failed(strict=False) else "unsure" if self.unsure else "pass"

    def sentence(self) -> str:
        """What was found."""
        if self.figure is None:
            return f"{self.condition.text}: not known, because {self.problem.rstrip('.')}"
        found, doubt = f"{self.figure.value:.3g}", ", of which no interval is known"
        if self._bounded:
            found += f" [{self.figure.low:.3g}, {self.figure.high:.3g}]"
            doubt = "; its interval reaches over the bound" if self.unsure else ""
        verdict = "" if self.holds else " does not hold by its value alone" if self.unsure else " does not hold"
        return f"{self.condition.text}{verdict}: the figure is {found}{doubt}"

    def _refused(self, value: float) -> bool:
        return self.condition.refuses(value)


def as_table(verdicts: Sequence[Verdict]) -> Table:
    """A row for each condition, with the figure that it is about."""
    return Table(
        title="Conditions that the run must not meet",
        rows={
            "condition": tuple(one.condition.text for one in verdicts),
            "verdict": tuple(one.word for one in verdicts),
        },
        figures={"figure": tuple(one.figure or _unknown(one.problem) for one in verdicts)},
        across="of",
        notes=tuple(f"{one.sentence()}." for one in verdicts),
    )


def _unknown(problem: str) -> Scalar:
    nan = float("nan")
    return Scalar(value=nan, stderr=nan, low=nan, high=nan, models=0, examples=0, reason=problem)


@analysis(
    asks="Does the run meet a condition that it must not meet?",
    section="5.6",
    name="check",
    table=as_table,
)
def check(run: Run, conditions: Sequence[str]) -> list[Verdict]:
    """Judge conditions that a run must not meet.

    Raises:
        BadInput: a condition cannot be read, or names what does not exist.
    """
    return [_judged(run, condition) for condition in [Condition.parse(text) for text in conditions]]


def junit(verdicts: Sequence[Verdict], name: str, *, strict: bool) -> bytes:
    """The verdicts as a JUnit file: a case a condition, `failure` where it fails, `error` where it is not known."""
    outcomes = [
        (verdict.condition.text, ("error" if verdict.problem else "failure") if verdict.failed(strict=strict) else "")
        for verdict in verdicts
    ]
    return _suite(name, outcomes, [verdict.sentence() for verdict in verdicts])


def junit_refused(conditions: Sequence[str], name: str, why: str) -> bytes:
    """A JUnit file of a check that could not be carried out: each condition an `error`."""
    return _suite(name, [(text, "error") for text in conditions], [why] * len(conditions))


def _suite(name: str, outcomes: Sequence[tuple[str, str]], messages: Sequence[str]) -> bytes:
    """Cases by name, each with the tag of what went wrong, or none."""
    failures, errors = (str(sum(each == tag for _, each in outcomes)) for tag in ("failure", "error"))
    suite = ElementTree.Element(
        "testsuite", name=_legal(name), tests=str(len(outcomes)), failures=failures, errors=errors
    )
    for (text, tag), message in zip(outcomes, messages, strict=True):
        case = ElementTree.SubElement(suite, "testcase", classname="byrote", name=_legal(text))
        if tag:
            ElementTree.SubElement(case, tag, message=_legal(message))
    root = ElementTree.Element("testsuites")
    root.append(suite)
    content: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return content


def _legal(text: str) -> str:
    """The text without characters that no XML file may hold."""
    return "".join(c for c in text if c in "\t\n" or (c >= " " and not "\ud800" <= c <= "\udfff" and c < "\ufffe"))


def _judged(run: Run, condition: Condition) -> Verdict:
    try:
        figure = _figure(run, condition)
    except (MissingEvidence, TooFewModels) as error:
        return Verdict(
            condition=condition, figure=None, problem=f"{error.message.rstrip('.')} ({error.hint.rstrip('.')})"
        )
    if math.isnan(figure.value):
        return Verdict(condition=condition, figure=None, problem=figure.reason or "the figure is undefined")
    return Verdict(condition=condition, figure=figure)


def _figure(run: Run, condition: Condition) -> Scalar:
    if condition.what in _ACCURACIES:
        return _accuracy(run, condition)
    if condition.what == "accuracy" and condition.figure in _ACCURACIES:
        raise BadInput(
            f"There is no measure 'accuracy', as {condition.text!r} has it.",
            hint=f"did you mean '{condition.figure}.accuracy'?",
        )
    if (condition.what, condition.figure, condition.kind) == ("memorized", "share", None):
        return memorized_share(run)
    entry = find(condition.what)
    if entry.attacks:
        figures = membership_attack(run, condition.what).figures
        if condition.figure not in figures or condition.kind:
            raise BadInput(
                f"The attack {condition.what!r} has no figure {condition.figure!r} in {condition.text!r}.",
                hint=f"its figures are {', '.join(figures)}; none is by control.",
            )
        return figures[condition.figure]
    if not entry.scores_examples:
        return _figure_of(run.measure(condition.what), condition)
    statistic = _statistic(condition)
    rows = np.ones(len(run.ids), bool) if condition.kind is None else _control(run, condition.kind)
    values, _ = run.replicates(condition.what)
    rows &= values.reason_code == 0
    if not rows.any():
        raise TooFewModels(
            f"no example of {condition.text!r} has a score.", hint="audit with more models, or judge another measure."
        )

    def of_known(scores: np.ndarray) -> float:
        known = scores[rows & ~np.isnan(scores)]
        return statistic(known) if len(known) else math.nan

    return run.pooled(
        condition.what,
        of_known,
        examples=int(rows.sum()),
        bounds=entry.range,
    )


def _figure_of(result: Result, condition: Condition) -> Scalar:
    """A figure of a measure that does not score examples: the number itself, or one over canaries.

    The interval of a mean over canaries is Student's, that of the largest its own; of a median none is known.
    """
    if isinstance(result, Scalar) and condition.figure == "value" and condition.kind is None:
        return result
    if not isinstance(result, PerCanary) or condition.figure not in _PLAIN:
        figures = "value" if isinstance(result, Scalar) else ", ".join(_PLAIN)
        raise BadInput(
            f"The measure {condition.what!r} has no figure that {condition.text!r} names.",
            hint=f"its figures are {figures}."
            if isinstance(result, Scalar | PerCanary)
            else "those that score examples or canaries, or are one number, have some; see `byrote measures`.",
        )
    rows = np.flatnonzero((result.reason_code == 0) & _planted(result, condition))
    ends, value = (math.nan, math.nan, math.nan), math.nan
    if len(rows):
        values = result.values[rows]
        value, top = _PLAIN[condition.figure](values), rows[int(values.argmax())]
        decided = (
            f"as far as the secrets' space goes; a bound below {math.floor(value * 10) / 10:g} is decided as it is."
        )
        if result.at_least[rows].any() and condition.refuses(value) != condition.refuses(math.inf):
            raise TooFewModels(
                f"some of these canaries are known better than all that they were compared with, so that the figure is "
                f"only known to be at least {value:.3g}",
                hint=f"'exposure[skew_normal].{condition.figure}' extrapolates {decided}"
                if condition.what == "exposure[best]"
                else f"'exposure[best].{condition.figure}' searches {decided}",
            )
        if condition.figure == "max":
            ends = float(result.stderr[top]), float(result.low[top]), float(result.high[top])
        elif condition.figure == "mean":
            moments = Moments(np.array([len(rows)]), np.array([value]), np.square(values - value).sum(keepdims=True))
            around = mean_interval(moments, bounds=(0.0, np.inf))
            ends = float(around.stderr[0]), float(around.low[0]), float(around.high[0])
    return Scalar(
        value=value,
        stderr=ends[0],
        low=ends[1],
        high=ends[2],
        models=result.models,
        examples=len(rows),
        reason="" if len(rows) else "no such canary has a value",
        varies_over="examples" if condition.figure == "mean" else "models",
    )


def _planted(result: PerCanary, condition: Condition) -> np.ndarray:
    """Which canaries a condition is about: those planted, unless it names how often."""
    if condition.kind is None:
        return np.asarray(result.repetitions > 0)
    there = sorted({int(times) for times in result.repetitions})
    if not condition.kind.isdigit() or int(condition.kind) not in there:
        raise BadInput(
            f"No canary was planted {condition.kind!r} times, as {condition.text!r} has it.",
            hint=f"they were planted {', '.join(map(str, there))} times; 0 are the controls.",
        )
    return np.asarray(result.repetitions == int(condition.kind))


def _statistic(condition: Condition) -> Callable[[np.ndarray], float]:
    if condition.figure in _PLAIN:
        return _PLAIN[condition.figure]
    top = _TOP.fullmatch(condition.figure)
    if top is None or not 0 < float(top["percent"]) <= 100:
        raise BadInput(f"There is no figure {condition.figure!r} of a measure.", hint=f"write {_GRAMMAR}")
    share = float(top["percent"]) / 100

    def mean_of_top(values: np.ndarray) -> float:
        count = max(1, round(share * len(values)))
        return float(np.mean(np.partition(values, len(values) - count)[len(values) - count :]))

    return mean_of_top


def _control(run: Run, kind: str) -> np.ndarray:
    if kind not in run.controls.kinds():
        known = ", ".join(run.controls.kinds())
        hint = f"those that it has: {known}." if known else f"leave out 'of {kind}': this run has no controls at all."
        raise BadInput(f"The run has no controls of the kind {kind!r}.", hint=hint)
    return run.controls.mask(run.ids, kind)


def _accuracy(run: Run, condition: Condition) -> Scalar:
    if condition.figure != "accuracy" or condition.kind:
        raise BadInput(f"There is no figure {condition.figure!r} of {condition.what!r}.", hint=f"write {_GRAMMAR}")
    if condition.what == "heldout":
        found = run.heldout_accuracy()
        if found is None:
            raise MissingEvidence(
                "The run has no held-out data.",
                hint="audit again with held-out data, or judge accuracy of the training data.",
            )
        return found
    return run.accuracy(member=1 if condition.what == "members" else 0)


@section(of="check", title="Conditions that the run must not meet", order=90)
def shown(table: Table, *, strict: bool = False) -> Iterable[Block]:
    """A line for each condition; where strict, what is unsure fails."""
    for word, note in zip(table.rows["verdict"], table.notes, strict=True):
        verdict = {"unsure": "FAIL" if strict else "pass"}.get(word, word)
        yield Words(text=f"{verdict}  {note.removesuffix('.')}")
