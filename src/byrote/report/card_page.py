"""The before/after card as a page: what a change did, how sure that is, and what it does not mean."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

import numpy as np

from byrote.analyses.card import UNFIT, Card, Row
from byrote.evidence.made_here import write_own
from byrote.evidence.seals import sealed
from byrote.evidence.shards import write_bytes
from byrote.report.differing import Setting, settings
from byrote.report.provenance import change_words, provenance
from byrote.report.summary import spoken
from byrote.report.templates import environment, head
from byrote.report.text import capital, count
from byrote.report.wording import wording_of
from byrote.results import decimal
from byrote.runs.run import Run

FILE: Final = "card.html"
#: A plot is so many units wide, with a margin for marks at its ends.
WIDTH, MARGIN = 320.0, 8.0
MOST_TILES = 4
#: Facts about how fast a run was; they differ from run to run.
SPEED: Final = ("how", "seconds a model")
#: What a difference says, by its verdict.
TONES: Final = {"better": "better", "worse": "worse", "differs": "differs"}


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A difference and its interval on the plot; what lies beyond an end is cut there."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, kw_only=True)
class Line:
    """A row of the card in words, with its mark."""

    name: str
    measure: bool
    direction: str
    before: str
    after: str
    change: str
    interval: str
    verdict: str
    tone: str
    mark: Mark | None


@dataclass(frozen=True, kw_only=True)
class Forest:
    """Rows that share a unit, and the axis that they are drawn on."""

    title: str
    unit: str
    zero: float
    ticks: tuple[tuple[float, str], ...]
    lines: tuple[Line, ...]


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A fact of the provenance of both runs."""

    name: str
    before: str
    after: str

    @property
    def same(self) -> bool:
        """Whether it is that of both."""
        return self.before == self.after


def write_card(compared: Card, before: Run, after: Run, path: Path | None = None) -> Path:
    """Write the page, into the second run's folder unless told where.

    Raises:
        BadInput: a file of somebody else is there.
    """
    content = sealed(card_page(compared, before, after).encode())
    if path is None:
        write_bytes(after.folder / FILE, content)
        return after.folder / FILE
    write_own(path, content)
    return path


def card_page(compared: Card, before: Run, after: Run) -> str:
    """The page of a card."""
    aside = beside_the_change(before, after)
    compared = spoken(compared, wording_of(after))
    return (
        environment()
        .get_template("card.html.jinja")
        .render(
            **head("page.css", "card.css"),
            byrote=version("byrote"),
            before=before,
            after=after,
            names=[run.folder.resolve().name for run in (before, after)],
            title=title(compared, "document" if after.of_text else "example"),
            lead=lead(before, after, aside),
            answers=answers(compared, aside),
            tiles=[_line(row, None) for row in _key_rows(compared)],
            forests=forests(compared.rows),
            notes=compared.notes,
            is_child=is_child(before, after),
            aside=aside,
            provenance=side_by_side(before, after),
        )
    )


def title(compared: Card, one: str = "example") -> str:
    """The verdict in a sentence that a person can read aloud; `one` is what the runs' examples are."""
    judged = [row for row in compared.rows if row.verdict in ("better", "worse", "no difference shown", "the same")]
    better, worse = ([row for row in judged if row.verdict == verdict] for verdict in ("better", "worse"))
    directed = [row for row in judged if row.better]
    of = f"of\u00a0{count(len(directed), 'figure')}".replace(" ", "\u00a0")
    if not directed:
        return "No figure has a verdict"
    if better and worse:
        return f"It helped and it cost: {len(better)}\u00a0{of} better, {len(worse)} worse"
    if better and any(note.startswith(UNFIT) for note in compared.notes):
        return f"{len(better)}\u00a0{of} better, but the models no longer fit their training data"
    if better:
        return f"It helped: {len(better)}\u00a0{of} better, none worse"
    if worse:
        return f"It did harm: {len(worse)}\u00a0{of} worse, none better"
    if all(row.verdict == "the same" for row in directed):
        return "Nothing changed: every figure is the same"
    if len(directed) == 1:
        return _not_told(directed[0], one)
    return f"No difference is shown in any {of}"


def _not_told(row: Row, one: str) -> str:
    """That a difference may be chance, and with how much to judge it by."""
    of, amount = row.difference, _change(row).lstrip("+−")
    counts = {"examples": count(of.examples, one), "models": count(of.models, "model")}
    rests = " and ".join(words for what, words in counts.items() if what in of.varies_over)
    if not float(amount):
        return f"No change of {row.name} can be told from chance with {rests}"
    moved = f"{'rose' if of.value > 0 else 'fell'} by {amount}{f' {row.unit}' if row.unit else ''}"
    return f"{capital(row.name)} {moved}, which {rests} cannot tell from chance"


def lead(before: Run, after: Run, aside: Sequence[Setting]) -> str:
    """What was compared."""
    names = [run.folder.resolve().name for run in (before, after)]
    what = (after.manifest.parent or {}).get("change") or {}
    if not is_child(before, after):
        return (
            f"{names[0]!r} and {names[1]!r} are compared. The second run was not made from the first by "
            "`byrote change`, so the cause of a difference is unknown."
        )
    sentence = f"{names[1]!r} is {names[0]!r} after {change_words(what)}."
    return sentence if aside else f"{sentence} Everything else was left as it was."


def is_child(before: Run, after: Run) -> bool:
    """Whether the second run's manifest says that it is a changed form of the first, wherever both lie now."""
    parent = (after.manifest.parent or {}).get("folder")
    return parent is not None and Path(str(parent)).name == before.folder.resolve().name


def beside_the_change(before: Run, after: Run) -> tuple[Setting, ...]:
    """Settings that differ and are no part of a change of data, recipe or models: versions, machine, seeds, device."""
    return tuple(
        setting
        for setting in settings(before, after)
        if setting.subject in ("versions and machine", "held-out data")
        or setting.name in ("device", "threads", "models with a seed of its own", "seed")
    )


def answers(compared: Card, aside: Sequence[Setting]) -> list[tuple[str, str]]:
    """Questions that a reader has, answered from the rows."""
    found = [
        ("Is less memorized?", _by_verdict([row for row in compared.rows if row.tells == "gain"])),
        ("What did it cost?", _by_verdict([row for row in compared.rows if row.tells == "cost"])),
        ("Do predictions hold under attack?", _by_verdict([row for row in compared.rows if row.tells == "robust"])),
    ]
    sure = [
        note for note in compared.notes if "hold at once" in note or "has a verdict" in note or "over texts" in note
    ]
    answered = [(question, answer) for question, answer in found if answer]
    answered += [("How sure is that?", " ".join(sure))] if sure else []
    unfit = [note for note in compared.notes if note.startswith(UNFIT)]
    answered += [("Could they still memorize?", " ".join(unfit))] if unfit else []
    steps = [note for note in compared.notes if "fewer steps" in note]
    if steps:
        answered.append(("What else differs?", " ".join(steps)))
    elif aside:
        names = ", ".join(dict.fromkeys(setting.name for setting in aside))
        answered.append(("What else differs?", f"Beside the change: {names}. Any of it may bear on the figures."))
    return answered


def _by_verdict(rows: Sequence[Row]) -> str:
    """Rows by their verdict, the clear ones first."""
    groups = []
    for verdict, word in (
        ("better", "Better"),
        ("worse", "Worse"),
        ("no difference shown", "No difference shown"),
        ("the same", "The same"),
        ("no verdict", "Without a verdict"),
    ):
        chosen = [row for row in rows if row.verdict == verdict and row.better]
        if chosen:
            with_figures = verdict in ("better", "worse", "no difference shown")
            groups.append(f"{word}: {'; '.join(_short(row) if with_figures else row.name for row in chosen)}.")
    return " ".join(groups)


def _short(row: Row) -> str:
    return f"{row.name} ({_change(row)}, 95 % {_interval(row)})"


def _key_rows(compared: Card) -> list[Row]:
    """Those that the first look is for: gains, the clearest first, and what it cost."""
    known = [row for row in compared.rows if not math.isnan(row.difference.value)]
    gains = [row for row in known if row.tells == "gain" and row.better]
    clear = ("better", "worse", "no difference shown", "the same")
    gains.sort(key=lambda row: clear.index(row.verdict) if row.verdict in clear else len(clear))
    costs = [row for row in known if row.tells == "cost"]
    return [*gains[: MOST_TILES - min(len(costs), 1)], *costs[:1]]


def forests(rows: Sequence[Row]) -> list[Forest]:
    """The rows by whether they are figures of the card's own or of a measure, and by unit, each with its axis."""
    groups: dict[tuple[bool, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.tells == "measure", row.unit), []).append(row)
    made = []
    for (measure, unit), some in sorted(groups.items(), key=lambda item: item[0][0]):
        axis = _Axis.over(some)
        title = "Every measure taken on both runs" if measure else "Memorization and what it costs"
        made.append(
            Forest(
                title=title,
                unit=unit,
                zero=axis.at(0.0),
                ticks=axis.ticks(),
                lines=tuple(_line(row, axis) for row in some),
            )
        )
    return made


@dataclass(frozen=True)
class _Axis:
    """A line that differences are drawn on."""

    low: float
    high: float

    @classmethod
    def over(cls, rows: Sequence[Row]) -> _Axis:
        ends = [end for row in rows for end in (row.difference.low, row.difference.value, row.difference.high)]
        finite = [end for end in ends if math.isfinite(end)]
        low, high = min([0.0, *finite]), max([0.0, *finite])
        room = 0.08 * (high - low) or 1.0
        return cls(low - room, high + room)

    def at(self, difference: float) -> float:
        share = (min(max(difference, self.low), self.high) - self.low) / (self.high - self.low)
        return round(MARGIN + share * (WIDTH - 2 * MARGIN), 1)

    def ticks(self) -> tuple[tuple[float, str], ...]:
        from matplotlib.ticker import MaxNLocator

        places = MaxNLocator(nbins=4, steps=[1, 2, 5, 10]).tick_values(self.low, self.high)
        return tuple(
            (self.at(place), _signed(float(f"{place:.9g}"))) for place in places if self.low <= place <= self.high
        )


def _line(row: Row, axis: _Axis | None) -> Line:
    known = not math.isnan(row.difference.value)
    bounded = not math.isnan(row.difference.low)
    mark = None
    if axis is not None and known:
        mark = Mark(
            value=axis.at(row.difference.value),
            low=axis.at(row.difference.low) if bounded else None,
            high=axis.at(row.difference.high) if bounded else None,
        )
    verdict = row.verdict or row.difference.reason or "undefined"
    return Line(
        name=row.name,
        measure=row.tells == "measure",
        direction=f"{row.better} is better" if row.better else "",
        before=_minus(decimal(row.before)),
        after=_minus(decimal(row.after)),
        change=_change(row) if known else "undefined",
        interval=_interval(row) if bounded else "",
        verdict=f"{verdict}: {row.remark}" if row.remark else verdict,
        tone=TONES.get(row.verdict, "open"),
        mark=mark,
    )


def _change(row: Row) -> str:
    return _signed(row.difference.value, _places(row))


def _interval(row: Row) -> str:
    return f"{_signed(row.difference.low, _places(row))} to {_signed(row.difference.high, _places(row))}"


def _places(row: Row) -> int:
    """Decimals that show the width of the interval to two digits or more."""
    width = row.difference.high - row.difference.low
    if not math.isfinite(width) or width <= 0:
        return 3
    return int(np.clip(2 - math.floor(math.log10(width)), 1, 4))


def _signed(value: float, places: int | None = None) -> str:
    text = f"{value:+g}" if places is None else f"{value:+.{places}f}"
    return _minus(text if float(text) else text.lstrip("+-"))


def _minus(text: str) -> str:
    return text.replace("-", "−")


def side_by_side(before: Run, after: Run) -> list[tuple[str, list[Pair]]]:
    """The provenance of both runs, a fact a line."""
    one, other = (dict(provenance(run).sections) for run in (before, after))
    found = []
    for subject in dict.fromkeys([*one, *other]):
        was, now = dict(one.get(subject, ())), dict(other.get(subject, ()))
        names = [name for name in dict.fromkeys([*was, *now]) if name not in SPEED]
        found.append((subject, [Pair(name=n, before=was.get(n, "–"), after=now.get(n, "–")) for n in names]))
    return found
