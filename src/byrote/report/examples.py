"""All examples as a table in the page: to filter, sort, search and page through, to select and to export."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int

from byrote.report.known import FORGOTTEN, RISK, Known
from byrote.report.text import amount, capital, kind_words, number, plain
from byrote.report.triaged import looks
from byrote.report.wording import given, wording_of
from byrote.results import PerExample
from byrote.runs.run import Run

#: The table's data take about so many bytes of the page at most; of more examples the top and a sample are in it.
MOST_BYTES = 6 * 2**20
#: Of the examples that there is room for, this share are the highest; the others are drawn evenly from the rest.
TOP_SHARE = 0.5
#: Rows that stand in the page without its script.
STATIC_ROWS = 10
#: Ids are cut from here on; the row says which example it is.
LONGEST_ID = 200
LONGEST_NAME = 80
DIGITS = 5
#: Numbers in a unit of the data's own keep so many digits behind the point.
FINEST = 9

_LEAD = "label_memorization"
_TITLES = {
    RISK: "Attack risk",
    FORGOTTEN: "Forgotten (1 / epochs)",
}


@dataclass(frozen=True, kw_only=True)
class Column:
    """A number by example: its key, its title, and whether an error stands beside it."""

    key: str
    title: str
    error: bool = False


@dataclass(frozen=True, kw_only=True)
class Row:
    """One example in words, for a page whose script does not run."""

    id: str
    label: str
    numbers: tuple[str, ...]
    vote: str
    about: str


@dataclass(frozen=True, kw_only=True)
class Examples:
    """The table: its columns, its first rows, and all that it holds as JSON that is safe inside a `<script>`."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    data: str
    shown: int
    total: int
    kinds: tuple[str, ...]
    verdicts: tuple[str, ...]
    votes: bool

    @property
    def whole(self) -> bool:
        """Whether every example is in the page."""
        return self.shown == self.total


def examples(
    run: Run, lead: str, scores: Mapping[str, PerExample], about: Known, verdicts: Mapping[str, str]
) -> Examples:
    """The table of a run's examples, ordered by the score `lead`; `verdicts` are triage's by id.

    `scores` are the columns besides those that are known anyway, `lead` among them.
    """
    columns = {**scores, **about.scores}
    titles = {**_TITLES, _LEAD: capital(wording_of(run).score)}
    order = _order(columns[lead])
    kinds = tuple(kind for kind in run.controls.kinds() if (about.planted == kind).any())
    judged = tuple(sorted(set(verdicts.values())))
    made = _Rows(run=run, lead=lead, columns=columns, about=about, verdicts=verdicts, kinds=kinds, judged=judged)
    rows = fitting(order, made.json)
    return Examples(
        columns=tuple(
            Column(key=key, title=titles.get(key, key.replace("_", " ")), error=key == lead) for key in columns
        ),
        rows=tuple(made.static(int(row)) for row in order[:STATIC_ROWS]),
        data=made.json(rows),
        shown=len(rows),
        total=len(run.ids),
        kinds=tuple(kind_words(kind) for kind in kinds),
        verdicts=tuple(looks(kind) for kind in judged),
        votes=about.majority_vote is not None or about.answered is not None,
    )


def script_json(value: Any) -> str:
    r"""JSON that may stand inside a `<script>` element: whatever is not plain ASCII, and `<`, `>` and `&`, is escaped.

    Example:
        >>> print(script_json(["</script>", "é"]))
        ["\u003c/script\u003e","\u00e9"]
    """
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", r"\u003c").replace(">", r"\u003e").replace("&", r"\u0026")


def _order(result: PerExample) -> Int[np.ndarray, " example"]:
    """Highest first, and those without a score last."""
    return np.lexsort((np.arange(len(result.values)), -np.nan_to_num(result.values, nan=-np.inf)))


def fitting(order: Int[np.ndarray, " example"], text: Callable[[np.ndarray], str]) -> Int[np.ndarray, " shown"]:
    """All rows if their text takes few enough bytes; otherwise the highest and an even sample of the others."""
    some = order[:: max(1, len(order) // 500)]
    bytes_a_row = len(text(some)) / max(len(some), 1)
    room = int(MOST_BYTES / bytes_a_row)
    if len(order) <= room:
        return order
    top = int(TOP_SHARE * room)
    rest = order[top:]
    return np.concatenate([order[:top], rest[np.linspace(0, len(rest) - 1, room - top).astype(np.int64)]])


@dataclass(frozen=True, kw_only=True, eq=False)
class _Rows:
    run: Run
    lead: str
    columns: Mapping[str, PerExample]
    about: Known
    verdicts: Mapping[str, str]
    kinds: tuple[str, ...]
    judged: tuple[str, ...]

    def json(self, rows: np.ndarray) -> str:
        """These rows, column by column."""
        ids = [plain(self.run.ids[row], LONGEST_ID) for row in rows]
        vote, answered = self.about.majority_vote, self.about.answered
        return script_json(
            {
                "classes": [plain(name, LONGEST_NAME) for name in self.run.class_names],
                "kinds": [kind_words(kind) for kind in self.kinds],
                "verdicts": [looks(kind) for kind in self.judged],
                "columns": list(self.columns),
                "row": rows.tolist(),
                "id": ids,
                "label": self.run.labels[rows].tolist(),
                "numbers": [rounded(result.values[rows]) for result in self.columns.values()],
                "stderr": rounded(self.columns[self.lead].stderr[rows]),
                "said": None if vote is None else vote.label[rows].tolist(),
                "given": None if answered is None else rounded(answered.given[rows], FINEST),
                "answer": None if answered is None else rounded(answered.answer[rows], FINEST),
                "tolerance": None if answered is None else answered.tolerance,
                "errors": answered is not None and answered.errors,
                "share": None if vote is None else rounded(vote.share[rows], 2),
                "planted": self._codes(self.about.planted[rows].tolist(), self.kinds),
                "verdict": self._codes([self.verdicts.get(str(self.run.ids[row]), "") for row in rows], self.judged),
            }
        )

    def static(self, row: int) -> Row:
        names, vote, answered = self.run.class_names, self.about.majority_vote, self.about.answered
        planted, verdict = str(self.about.planted[row]), self.verdicts.get(str(self.run.ids[row]), "")
        return Row(
            id=str(self.run.ids[row]),
            label=given(self.run, row),
            numbers=tuple(
                _with_error(result, row) if key == self.lead else number(float(result.values[row]))
                for key, result in self.columns.items()
            ),
            vote=vote_words(names, int(vote.label[row]), float(vote.share[row]))
            if vote is not None
            else amount(float(answered.answer[row]))
            if answered is not None
            else "",
            about=about_words(planted, verdict),
        )

    @staticmethod
    def _codes(words: Sequence[str], known: Sequence[str]) -> list[int] | None:
        """Places of the words among those known, -1 for none; None where none are known."""
        place = {word: number for number, word in enumerate(known)}
        return [place.get(word, -1) for word in words] if known else None


def vote_words(names: Sequence[str], label: int, share: float) -> str:
    """What most models without the example say."""
    return "–" if label < 0 else f"{plain(names[label], LONGEST_NAME)} ({round(100 * share)} %)"


def about_words(planted: str, verdict: str) -> str:
    """What was planted on an example, and what triage takes it for.

    Example:
        >>> about_words("label_noise", ""), about_words("", "ambiguous"), about_words("", "")
        ('planted label noise', 'looks ambiguous', '–')
    """
    words = [
        f"planted {kind_words(planted)}" if planted else "",
        f"looks {looks(verdict)}" if verdict else "",
    ]
    return "; ".join(word for word in words if word) or "–"


def _with_error(result: PerExample, row: int) -> str:
    value, error = float(result.values[row]), float(result.stderr[row])
    return number(value) if math.isnan(error) else f"{number(value)} ± {number(error)}"


def rounded(values: np.ndarray, digits: int = DIGITS) -> list[float | int | None]:
    """Numbers to so many digits behind the point, whole ones without a point; None where there is none."""
    return [
        None if math.isnan(value) or math.isinf(value) else int(value) if value == int(value) else value
        for value in np.round(values.astype(np.float64), digits).tolist()
    ]
