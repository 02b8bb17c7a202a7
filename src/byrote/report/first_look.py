"""The first look: whether these models can tell, what kinds of trouble there are, and the examples to look at first."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np

from byrote.analyses.card import INTERPOLATES
from byrote.analyses.issues import (
    AMBIGUOUS,
    CONFLICTING_COPY,
    EXACT_COPY,
    KINDS,
    LABEL_ERROR,
    MEMORIZED,
    NEAR_COPY,
    OUTLIER,
    PROBABILITY,
    RARE_GROUP,
    Issue,
    Issues,
    issues,
)
from byrote.analyses.label_errors import WRONG
from byrote.analyses.memorized_share import FEWEST_ON_A_SIDE
from byrote.report.facts import Facts
from byrote.report.headline import FITS, unfit
from byrote.report.missing import Missing
from byrote.report.picture import Content, contents
from byrote.report.summary import percent
from byrote.report.text import number
from byrote.report.watched import Watched
from byrote.report.wording import given
from byrote.runs.run import Run

#: So many examples are shown first: the likeliest label errors, and the first of another kind.
FIRST = 5
#: Near copies are looked for among at most so many examples; `byrote ask RUN issues` looks among more.
MOST_EXAMPLES = 10_000
#: Fewer models say too little of a single example to be believed.
ENOUGH = 2 * FEWEST_ON_A_SIDE
#: What the count of each kind is of.
MEANING = {
    CONFLICTING_COPY: "the same input, other labels",
    RARE_GROUP: "too few to learn from",
    LABEL_ERROR: "the label may be wrong",
    EXACT_COPY: "the same input and label",
    NEAR_COPY: "nearly the same input",
    AMBIGUOUS: "models without it disagree",
    MEMORIZED: "by rote, label likely right",
    OUTLIER: "far from all others",
}
#: A score is about labels where it says how surely they are wrong.
ABOUT_LABELS = (LABEL_ERROR, CONFLICTING_COPY)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One line of the verdict: whether it is well ("yes", "partly", "no"), and why."""

    well: str
    what: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One example to look at, in words; `sure` is its score, `interval` the 95 % interval of it over models."""

    id: str
    given: str
    suggested: str
    kind: str
    why: str
    do: str
    sure: str
    interval: str
    content: Content | None


@dataclass(frozen=True, kw_only=True)
class Count:
    """How many examples have an issue of a kind."""

    kind: str
    examples: int
    meaning: str


@dataclass(frozen=True, kw_only=True, eq=False)
class FirstLook:
    """The first screen after the headline; `can_tell` sums its verdict up, `planted` counts issues of planted examples,
    which are left out. `number` says what the numbers beside label errors are.
    """

    can_tell: str
    verdict: tuple[Answer, ...]
    counts: tuple[Count, ...]
    first: tuple[Shown, ...]
    planted: int
    notes: tuple[str, ...]
    number: str = "label error score"
    question: str = "Can these models tell?"


def found_issues(run: Run) -> Issues:
    """The issues that the report shows: of many examples without those that take long to look for."""
    return issues(run, near_copies=len(run.ids) <= MOST_EXAMPLES)


def can_tell(verdict: Sequence[Answer]) -> str:
    """What the lines of a verdict come to: "yes", "in part" or "no"."""
    wells = {one.well for one in verdict}
    return "no" if "no" in wells else "in part" if "partly" in wells else "yes"


def first_look(run: Run, facts: Facts, found: Issues | Missing) -> FirstLook:
    """What a report of an ensemble shows first."""
    verdict = tuple(_verdict(run, facts, found))
    able = can_tell(verdict)
    if isinstance(found, Missing):
        return FirstLook(can_tell=able, verdict=verdict, counts=(), first=(), planted=0, notes=(found.why,))
    counts = ({LABEL_ERROR: 0} if found.errors is not None and found.own else {}) | found.counts()
    return FirstLook(
        can_tell=able,
        verdict=verdict,
        counts=tuple(Count(kind=k, examples=counts[k], meaning=MEANING[k]) for k in KINDS if k in counts),
        first=_shown(run, _chosen(found.own)),
        planted=len(found.found) - len(found.own),
        notes=found.notes,
        **({"number": PROBABILITY} if found.errors is not None and found.errors.calibrated else {}),
    )


def watched_look(run: Run, found: Watched, of: Issues | Missing) -> FirstLook | None:
    """What a report of trainings that were watched shows first; None where nothing was found or looked for."""
    if isinstance(of, Missing) or (of.late is None and not of.own):
        return None
    counts, verdict = of.counts(), tuple(_watched_verdict(found, of))
    return FirstLook(
        can_tell=can_tell(verdict),
        verdict=verdict,
        counts=tuple(Count(kind=k, examples=counts[k], meaning=MEANING[k]) for k in KINDS if k in counts),
        first=_shown(run, _chosen(of.own)),
        planted=len(of.found) - len(of.own),
        notes=of.notes,
        question=f"Can {'this training' if found.models == 1 else 'these trainings'} tell?",
    )


def _watched_verdict(found: Watched, of: Issues) -> Iterator[Answer]:
    """Whether the training fits the data, what it tells of labels, and what it cannot tell."""
    fit = found.member_accuracy
    one = found.models == 1
    if fit is not None and not math.isnan(fit.value):
        most = fit.value >= INTERPOLATES
        what = f"{'It fits' if one else 'They fit'} {'the data' if most else 'most of the data'}"
        if fit.value < FITS:
            what = f"{'It fits' if one else 'They fit'} too little of the data"
        well = "yes" if most else "no" if fit.value < FITS else "partly"
        yield Answer(well=well, what=what, why=f"{found.wording.rate} {percent(fit)} on what was trained on")
    if of.late is not None:
        many = bool((of.late.score > WRONG).any()) and not of.late.flagged.any()
        why = "too many were learned late" if many else "wrong labels are learned late; a score, no probability"
        yield Answer(well="no" if many else "yes", what="Labels to look at", why=why)
    yield Answer(
        well="partly",
        what="Not known",
        why="which label is right instead, and what is memorized: that takes models that never saw the example",
    )
    if of.planted and of.late is not None:
        yield _tested(of.hit / of.planted, f"{of.hit} of {of.planted} labels that were made wrong on purpose are found")


def _verdict(run: Run, facts: Facts, found: Issues | Missing) -> list[Answer]:
    """Whether the models fit, whether they are enough, and whether what was planted is found."""
    words, models = facts.wording, facts.memorization.models
    fit = percent(facts.member_accuracy)
    unknown = math.isnan(facts.member_accuracy.value)
    answers = [
        Answer(
            well="partly" if unknown else "yes" if facts.interpolates else "no" if unfit(facts) else "partly",
            what="Unknown whether they fit the data"
            if unknown
            else f"They fit {'too little' if unfit(facts) else 'most'} of the data"
            if not facts.interpolates
            else "They fit the data",
            why="it was not recorded who trained on what" if unknown else f"{words.rate} {fit} on what they trained on",
        ),
        Answer(
            well="yes" if models >= ENOUGH else "partly",
            what=f"{models:,} models",
            why=_without(facts) + ("" if models >= ENOUGH else f"; {ENOUGH} say more about single ones"),
        ),
    ]
    return [*answers, *_self_test(run, found)]


def _without(facts: Facts) -> str:
    """How many models a typical example is missing from."""
    known = facts.memorization.reason_code == 0
    missing = facts.memorization.counts.get("nonmembers")
    if missing is None or not known.any():
        return "it was not recorded who trained on what"
    return f"a typical example is missing from {np.median(missing[known]):.0f} of them"


def _self_test(run: Run, found: Issues | Missing) -> list[Answer]:
    if isinstance(found, Missing) or run.learns.numeric:
        return []
    if found.planted:
        why = f"{found.hit} of {found.planted} labels that were made wrong on purpose are found"
        return [_tested(found.hit / found.planted, why)]
    tested = None if found.errors is None else found.errors.tested
    if tested is not None:
        hits = round(tested.value * tested.examples)
        why = (
            f"{tested.models} models beside them were given {tested.examples} wrong labels, and find {hits} of them "
            f"(95 % interval {100 * tested.low:.0f} to {100 * tested.high:.0f} %)"
        )
        return [_tested(tested.value, why)]
    return [
        Answer(
            well="partly",
            what="Not tested",
            why="no label was made wrong on purpose, so nothing says how many wrong ones are missed",
        )
    ]


def _tested(share: float, why: str) -> Answer:
    return Answer(well="yes" if share >= 0.9 else "partly" if share >= 0.5 else "no", what="Tested", why=why)


def _chosen(own: Sequence[Issue]) -> list[Issue]:
    """The likeliest wrong labels, each example once, then examples of the other kinds in turn."""
    best: dict[int, Issue] = {}
    for one in sorted(own, key=lambda one: -one.rank):
        if one.issue in ABOUT_LABELS:
            best.setdefault(one.example, one)
    groups = {one.example: one for one in own if one.issue == RARE_GROUP}
    labels = [groups.get(example, one) for example, one in best.items()]
    kinds: dict[str, dict[int, Issue]] = {}
    for one in own:
        if one.example not in best:
            kinds.setdefault(one.issue, {})[one.example] = one
    told = {one.issue for one in labels}
    others = sorted(kinds, key=lambda kind: kind in told)
    in_turn = [one for row in zip_longest(*(kinds[kind].values() for kind in others)) for one in row if one is not None]
    chosen = {one.example: one for one in [*labels[: FIRST - bool(kinds.keys() - told)], *in_turn]}
    return list(chosen.values())[:FIRST]


def _shown(run: Run, chosen: Sequence[Issue]) -> tuple[Shown, ...]:
    rows = np.array([one.example for one in chosen], np.int64)
    pictures: Sequence[Content | None] = [None] * len(chosen)
    if run.dataset is not None and len(chosen):
        pictures = contents(run.dataset, rows)[0]
    return tuple(
        Shown(
            id=str(run.ids[one.example]),
            given=given(run, one.example),
            suggested=str(run.class_names[one.suggested]) if one.suggested >= 0 else "",
            kind=one.issue,
            why=one.why,
            do=one.do,
            sure=number(one.score) if one.issue in ABOUT_LABELS and not math.isnan(one.score) else "",
            interval="" if math.isnan(one.low) else f"{number(one.low)} to {number(one.high)}",
            content=picture,
        )
        for one, picture in zip(chosen, pictures, strict=True)
    )
