"""What an example is connected with: held-out examples that it influences, and other examples that nearly are it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int
from scipy.special import ndtri

from byrote.data.copies import Copies, copies
from byrote.measures.influence import influence
from byrote.report.missing import Missing, where_possible
from byrote.report.picture import Content, contents
from byrote.report.text import amount, number
from byrote.report.wording import given
from byrote.runs.run import Run
from byrote.stats.intervals import UPPER

#: Feldman & Zhang 2020 take a pair for connected from this influence on.
CONNECTED = 0.15
MOST_CONNECTED = 3


@dataclass(frozen=True, kw_only=True)
class Leaning:
    """A held-out example that models with the training example predict more often."""

    name: str
    label: str
    value: str
    content: Content | None


@dataclass(frozen=True, kw_only=True)
class Twin:
    """Another training example that is the same, or nearly."""

    id: str
    label: str
    same: bool


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    """By row of the run; `measured` says whether influence could be, `near` whether near copies were looked for."""

    leaning: Mapping[int, tuple[Leaning, ...]]
    twins: Mapping[int, tuple[Twin, ...]]
    measured: bool
    near: bool


def neighbours(run: Run, rows: Int[np.ndarray, " row"], copied: Copies | None = None) -> Neighbours:
    """The neighbours of these examples of a run, as far as evidence and data at hand show them.

    `copied` are the copies among the run's data; without them only the same inputs are looked for.
    """
    if run.dataset is None:
        copied = None
    elif copied is None:
        copied = copies(run.dataset, near=False)
    leaning = where_possible(lambda: _leaning(run, rows))
    return Neighbours(
        leaning={} if isinstance(leaning, Missing) else leaning,
        twins={} if copied is None else dict(_twins(run, copied, rows)),
        measured=not isinstance(leaning, Missing),
        near=copied is not None and not math.isnan(copied.dimension),
    )


def _leaning(run: Run, rows: Int[np.ndarray, " row"]) -> dict[int, tuple[Leaning, ...]]:
    models = run.models()
    correct = run.load("heldout.correct", models)
    member, stratum = (run.load(f"design.{name}", models)[:, rows] for name in ("member", "stratum"))
    found = influence(correct, member, stratum, top=max(len(rows), 1))
    # the largest of many noisy estimates: chance may put one above the line once in forty cards
    beyond = float(ndtri(1 - (1 - UPPER) / max(correct.shape[1], 1)))
    clear = (found.values >= CONNECTED) & (found.values > beyond * found.stderr)
    by_row: dict[int, list[tuple[int, float]]] = {}
    for place in np.flatnonzero(clear):
        by_row.setdefault(int(found.example[place]), []).append((int(found.query[place]), float(found.values[place])))
    chosen = {
        row: sorted(pairs, key=lambda pair: (-pair[1], pair[0]))[:MOST_CONNECTED] for row, pairs in by_row.items()
    }
    queries = sorted({query for pairs in chosen.values() for query, _ in pairs})
    shown = _shown(run, queries)
    return {
        int(rows[row]): tuple(_one(run, query, value, shown.get(query)) for query, value in pairs)
        for row, pairs in chosen.items()
    }


def _shown(run: Run, queries: Sequence[int]) -> dict[int, Content]:
    if run.heldout is None or run.heldout.display.kind != "image" or not queries:
        return {}
    pictures, _ = contents(run.heldout, np.array(queries, np.int64))
    return dict(zip(queries, pictures, strict=True))


def _one(run: Run, query: int, value: float, content: Content | None) -> Leaning:
    if run.heldout is None:
        return Leaning(name=f"held-out example {query}", label="", value=number(value), content=content)
    numbers = run.heldout.numbers
    label = run.class_names[int(run.heldout.kinds[query])] if numbers is None else amount(float(numbers[query]))
    return Leaning(name=str(run.heldout.ids[query]), label=label, value=number(value), content=content)


def _twins(run: Run, copied: Copies, rows: Int[np.ndarray, " row"]) -> Iterator[tuple[int, tuple[Twin, ...]]]:
    """Examples with the same input, then those nearer than chance puts any, the nearest first."""
    order = np.argsort(copied.chance, kind="stable")
    for row in rows.tolist():
        first = copied.same[row]
        same = np.flatnonzero(copied.same == first)
        near = [one for pair in copied.near[order] if first in pair for one in pair if one != first]
        others = [*same[same != row], *(copy for one in near for copy in np.flatnonzero(copied.same == one))]
        if others:
            yield row, tuple(_twin(run, copied, row, int(other)) for other in others[:MOST_CONNECTED])


def _twin(run: Run, copied: Copies, row: int, other: int) -> Twin:
    same = bool(copied.same[row] == copied.same[other])
    return Twin(id=str(run.ids[other]), label=given(run, other), same=same)
