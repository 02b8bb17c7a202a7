"""The examples that the report shows one by one: the most memorized, and typical ones for contrast."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Int

from byrote.analyses.performance import prediction_of
from byrote.blocks import Item
from byrote.data.controls import CONFLICTING_DUPLICATE, EXACT_DUPLICATE, LABEL_NOISE, NEAR_DUPLICATE
from byrote.data.copies import Copies
from byrote.errors import MissingEvidence, TooFewModels
from byrote.report.known import FORGOTTEN, RISK, Known, errors_of
from byrote.report.neighbours import Leaning, Neighbours, Twin, neighbours
from byrote.report.picture import Content, contents
from byrote.report.text import amount, kind_words, number
from byrote.report.triaged import looks
from byrote.report.wording import given, rounded, wording_of
from byrote.results import PerExample
from byrote.runs.run import Run

MEMORIZED_SHOWN = 24
TYPICAL_SHOWN = 8
MOST_VOTES = 3


@dataclass(frozen=True, kw_only=True)
class Vote:
    """How many of the models that were not trained on an example predict a class."""

    name: str
    models: int
    share: float
    given: bool


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What models answer to an example whose target is a number: in words, and as places on a line of 100.

    Of several numbers it is by how much they miss. `low` to `high` is what counts as right.
    """

    inside: str
    outside: str
    given: float
    low: float
    high: float
    at_inside: tuple[float, ...]
    at_outside: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Bar:
    """An interval on a line of 100 that stands for scores from -0.5 to 1; what lies beyond is drawn at the end."""

    zero: float
    low: float
    high: float
    value: float


@dataclass(frozen=True, kw_only=True)
class Card(Item):
    """One example with what there is to say about it; `named` and `say` are words of the task, as in `Wording`."""

    label: str
    named: str
    say: str
    content: Content | None
    value: str
    stderr: str
    interval: str
    bar: Bar | None
    trained: tuple[int, int] | None
    untrained: tuple[int, int] | None
    votes: tuple[Vote, ...] | None
    other_votes: int
    planted: tuple[str, ...]
    answers: Answers | None = None
    facts: tuple[tuple[str, str], ...] = ()
    leaning: tuple[Leaning, ...] = ()
    twins: tuple[Twin, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """Cards, and what the page must say about their contents."""

    memorized: tuple[Card, ...]
    typical: tuple[Card, ...]
    contents: bool
    stretched: bool
    votes: bool
    influence: bool = False
    near: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Rates:
    """How many models were right on each example, of those trained on it and of the others."""

    right: Int[np.ndarray, "side example"]
    models: Int[np.ndarray, "side example"]


def gallery(
    run: Run,
    result: PerExample,
    about: Known | None = None,
    verdicts: Mapping[str, str] | None = None,
    copied: Copies | None = None,
) -> Gallery:
    """The galleries of a run by its label memorization, with what else is known of each example, as its copies.

    Raises:
        MissingEvidence: the models' answers are not recorded.
    """
    rates = _rates(run)
    order = _ranked(run, result)
    top = order[:MEMORIZED_SHOWN]
    top = top[result.values[top] > 0]
    ordinary = _typical(result, rates, order[len(top) :])
    return _gallery(run, result, rates, top, ordinary, about, verdicts or {}, copied)


def top_gallery(run: Run, result: PerExample, about: Known, copied: Copies | None = None) -> Gallery:
    """The highest examples of any score, and none for contrast."""
    order = np.lexsort((np.arange(len(result.values)), -np.nan_to_num(result.values, nan=-np.inf)))
    top = order[:MEMORIZED_SHOWN]
    top = top[result.reason_code[top] == 0]
    return _gallery(run, result, None, top, top[:0], about, {}, copied)


def _gallery(
    run: Run,
    result: PerExample,
    rates: Rates | None,
    top: np.ndarray,
    ordinary: np.ndarray,
    about: Known | None,
    verdicts: Mapping[str, str],
    copied: Copies | None = None,
) -> Gallery:
    rows = np.concatenate([top, ordinary])
    shown, stretched = (None, False) if run.dataset is None else contents(run.dataset, rows)
    regression = run.learns.numeric
    votes = None if rates is None or regression else _votes(run, rows)
    answers = _answers(run, rows) if regression and rates is not None else {}
    near = neighbours(run, top, copied)
    cards = [
        replace(
            _card(
                run, result, rates, int(row), None if shown is None else shown[i], None if votes is None else votes[i]
            ),
            facts=tuple(_facts(about, verdicts, str(run.ids[row]), int(row))),
            **_near(near, int(row)),
            answers=answers.get(int(row)),
        )
        for i, row in enumerate(rows)
    ]
    return Gallery(
        memorized=tuple(cards[: len(top)]),
        typical=tuple(cards[len(top) :]),
        contents=shown is not None,
        stretched=stretched,
        votes=votes is not None or regression,
        influence=near.measured,
        near=near.near,
    )


def _near(near: Neighbours, row: int) -> dict[str, Any]:
    return {"leaning": near.leaning.get(row, ()), "twins": near.twins.get(row, ())}


def _facts(about: Known | None, verdicts: Mapping[str, str], example: str, row: int) -> Iterator[tuple[str, str]]:
    """Names and values of what was measured of one example besides its score."""
    if about is not None and RISK in about.scores:
        result = about.scores[RISK]
        if result.reason_code[row] == 0:
            yield "Attack risk", f"{number(float(result.values[row]))} ± {number(float(result.stderr[row]))}"
    if about is not None and FORGOTTEN in about.scores:
        rate = float(about.scores[FORGOTTEN].values[row])
        if not math.isnan(rate):
            yield (
                "Forgotten after",
                f"{1 / rate:.1f} epochs without it" if rate > 0 else "not within the recorded epochs",
            )
    if example in verdicts:
        yield "Looks", looks(verdicts[example])


def _rates(run: Run) -> Rates:
    right = np.zeros((2, len(run.ids)), np.int64)
    models = np.zeros((2, len(run.ids)), np.int64)
    member = run.member
    for model in run.models():
        answers = run.load("outputs.correct", [int(model)])[0]
        for side in (0, 1):
            chosen = member[model] == side
            models[side] += chosen
            right[side] += answers & chosen
    return Rates(right=right, models=models)


def _ranked(run: Run, result: PerExample) -> Int[np.ndarray, " ranked"]:
    """Defined examples from the most memorized; the many equal scores by their probability form, where there is one."""
    finer = np.zeros(len(run.ids))
    try:
        again = run.measure("label_memorization[probability]")
        assert isinstance(again, PerExample)
        finer = np.nan_to_num(again.values)
    except (MissingEvidence, TooFewModels):
        pass
    defined = np.flatnonzero(result.reason_code == 0)
    return defined[np.lexsort((-finer[defined], -result.values[defined]))]


def _typical(result: PerExample, rates: Rates, candidates: np.ndarray) -> Int[np.ndarray, " chosen"]:
    """Examples that models without them get right as surely as those with them, spread over the data."""
    outside = rates.right[0, candidates] / np.maximum(rates.models[0, candidates], 1)
    easy = candidates[(np.abs(result.values[candidates]) < 0.01) & (outside > 0.99)]
    easy = np.sort(easy)
    spread = np.linspace(0, max(len(easy) - 1, 0), min(TYPICAL_SHOWN, len(easy))).astype(np.int64)
    return easy[spread]


def _votes(run: Run, rows: np.ndarray) -> Int[np.ndarray, "row class"] | None:
    try:
        return run.votes(rows)
    except MissingEvidence:
        return None


def _answers(run: Run, rows: np.ndarray) -> dict[int, Answers]:
    """By row of the run, what its models answer."""
    models, several = run.models(), run.learns.several
    predictions = np.stack(
        [(errors_of(run, [m])[0] if several else prediction_of(run, m))[rows] for m in models.tolist()]
    )
    member = run.member[models][:, rows]
    tolerance = float(run.manifest.dataset["tolerance"])
    wanted = np.zeros(len(rows)) if several else run.numbers[rows]
    return {
        int(row): _answer(
            float(wanted[i]),
            wanted[i] - (0.0 if several else tolerance),
            tolerance,
            predictions[:, i][member[:, i] == 1],
            predictions[:, i][member[:, i] == 0],
        )
        for i, row in enumerate(rows)
    }


def _answer(number: float, least: float, tolerance: float, inside: np.ndarray, outside: np.ndarray) -> Answers:
    """`least` to `number` + `tolerance` is what counts as right."""
    every = np.concatenate([inside, outside, [least, number + tolerance]])
    every = every[np.isfinite(every)]
    low, high = float(every.min()), float(every.max())

    def at(values: np.ndarray) -> tuple[float, ...]:
        return tuple(np.round(2 + 96 * (values[np.isfinite(values)] - low) / (high - low or 1.0), 2).tolist())

    edges = at(np.array([number, least, number + tolerance]))
    return Answers(
        inside=_spread(rounded(inside, tolerance)),
        outside=_spread(rounded(outside, tolerance)),
        given=edges[0],
        low=edges[1],
        high=edges[2],
        at_inside=at(inside),
        at_outside=at(outside),
    )


def _spread(values: np.ndarray) -> str:
    """The median of the answers, and from where to where they lie."""
    if not len(values):
        return "–"
    low, middle, high = (amount(float(value)) for value in (values.min(), np.median(values), values.max()))
    return middle if low == high else f"{middle} ({low} to {high})"


def _card(
    run: Run, result: PerExample, rates: Rates | None, row: int, content: Content | None, votes: np.ndarray | None
) -> Card:
    names, label, words = run.class_names, int(run.labels[row]), wording_of(run)
    low, high = float(result.low[row]), float(result.high[row])
    ranked = [] if votes is None else [int(i) for i in np.argsort(-votes, kind="stable")[:MOST_VOTES] if votes[i]]
    cast = 0 if votes is None else int(votes.sum())
    value, stderr = number(float(result.values[row])), number(float(result.stderr[row]))
    planted = tuple(_planted(run, str(run.ids[row])))
    return Card(
        name=str(run.ids[row]),
        lines=(value if stderr == "–" else f"{value} ± {stderr}", *planted),
        label=given(run, row),
        named=words.named,
        say=words.say,
        content=content,
        value=value,
        stderr=stderr,
        interval=f"{number(low)} to {number(high)}",
        bar=None if rates is None or np.isnan(low + high) else _bar(low, high, float(result.values[row])),
        trained=None if rates is None else (int(rates.right[1, row]), int(rates.models[1, row])),
        untrained=None if rates is None else (int(rates.right[0, row]), int(rates.models[0, row])),
        votes=None
        if votes is None
        else tuple(Vote(name=names[i], models=int(votes[i]), share=votes[i] / cast, given=i == label) for i in ranked),
        other_votes=0 if votes is None else cast - int(votes[ranked].sum()),
        planted=planted,
    )


def _bar(low: float, high: float, value: float) -> Bar:
    def at(score: float) -> float:
        return round(float(np.clip(score + 0.5, 0.0, 1.5)) / 1.5 * 100.0, 2)

    return Bar(zero=at(0.0), low=at(low), high=at(high), value=at(value))


def _planted(run: Run, example: str) -> Sequence[str]:
    found = np.flatnonzero(run.controls.example == example)
    return [_sentence(str(run.controls.kind[i]), str(run.controls.original[i])) for i in found]


def _sentence(kind: str, original: str) -> str:
    if kind == LABEL_NOISE:
        return f"planted label noise; the label was {original}"
    if kind in (EXACT_DUPLICATE, NEAR_DUPLICATE, CONFLICTING_DUPLICATE):
        return f"planted {kind_words(kind)} of {original}"
    return f"planted {kind_words(kind)}"
