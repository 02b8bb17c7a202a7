"""What an example is connected with: held-out examples that lean on it, and other examples that nearly are it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.special import ndtri

from byrote.data.dataset import Dataset
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
#: A near-duplicate is nearer than this share of the distance to the tenth neighbour.
NEAR = 0.5
TENTH = 10
#: Rows of the data are compared in blocks of so many numbers; of larger data nothing is compared.
BLOCK_NUMBERS = 2**24
MOST_NUMBERS = 2**31


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
    ratio: str


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    """By row of the run; `measured` says whether influence could be measured."""

    leaning: Mapping[int, tuple[Leaning, ...]]
    twins: Mapping[int, tuple[Twin, ...]]
    measured: bool


def neighbours(run: Run, rows: Int[np.ndarray, " row"]) -> Neighbours:
    """The neighbours of these examples of a run, as far as evidence and data at hand show them."""
    leaning = where_possible(lambda: _leaning(run, rows))
    return Neighbours(
        leaning={} if isinstance(leaning, Missing) else leaning,
        twins={} if run.dataset is None else _twins(run, run.dataset, rows),
        measured=not isinstance(leaning, Missing),
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


def _twins(run: Run, dataset: Dataset, rows: Int[np.ndarray, " row"]) -> dict[int, tuple[Twin, ...]]:
    inputs = dataset.inputs
    if not len(rows) or inputs.dtype.kind not in "fiu" or math.prod(inputs.shape) > MOST_NUMBERS or len(inputs) < 3:
        return {}
    distance = _distances(inputs, rows)
    distance[np.arange(len(rows)), rows] = np.inf
    tenth = np.partition(distance, min(TENTH, len(inputs) - 1) - 1, axis=1)[:, min(TENTH, len(inputs) - 1) - 1]
    if inputs.dtype.kind != "f":
        tenth = np.zeros(len(rows))  # numbers that name something have no distance: only the same is told
    found = {}
    for place, row in enumerate(rows):
        near = np.flatnonzero(distance[place] <= max(NEAR * tenth[place], 0.0))
        near = near[np.argsort(distance[place][near], kind="stable")][:MOST_CONNECTED]
        if len(near):
            found[int(row)] = tuple(
                Twin(
                    id=str(run.ids[other]),
                    label=given(run, int(other)),
                    same=bool(distance[place, other] == 0),
                    ratio=number(float(distance[place, other] / tenth[place])) if tenth[place] else "",
                )
                for other in near
            )
    return found


def _distances(inputs: np.ndarray, rows: Int[np.ndarray, " row"]) -> Float[np.ndarray, "row example"]:
    """From these rows to all, by blocks; numbers that are missing or infinite count as 0."""
    own = np.nan_to_num(np.asarray(inputs[rows], np.float64).reshape(len(rows), -1), posinf=0.0, neginf=0.0)
    size = max(1, BLOCK_NUMBERS // max(own.shape[1], 1))
    distance = np.empty((len(rows), len(inputs)))
    for start in range(0, len(inputs), size):
        block = np.asarray(inputs[start : start + size], np.float64)
        block = np.nan_to_num(block.reshape(len(block), -1), posinf=0.0, neginf=0.0)
        squares = (own**2).sum(1)[:, None] + (block**2).sum(1) - 2 * own @ block.T
        # what two large numbers leave of each other by rounding is no distance
        squares[squares < 1e-12 * ((own**2).sum(1)[:, None] + 1e-300)] = 0.0
        distance[:, start : start + size] = np.sqrt(np.maximum(squares, 0.0))
    return distance
