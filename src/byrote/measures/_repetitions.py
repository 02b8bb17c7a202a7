"""Repetitions: how often a document stands in what a model was trained on, and shares pooled over documents."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Int, Int8

from byrote.results import Curve
from byrote.stats.curves import curve_interval
from byrote.stats.intervals import Interval

#: Documents and models are left out in at most this many parts each.
_PARTS: Final = 20
#: What the lines of a curve are called: models trained on a document, and those that never saw it.
SIDES: Final = ("trained on it", "never saw it")


@dataclass(frozen=True, eq=False)
class Copies:
    """Which documents are token for token the same, and how many of them each model was trained on.

    `seen` is -1 where the membership of a copy is unknown; `standing` counts a document's copies in the whole corpus.
    """

    cluster: Int[np.ndarray, " example"]
    standing: Int[np.ndarray, " example"]
    seen: Int[np.ndarray, "model example"]


def copies_of(
    token: Int[np.ndarray, " token"], offsets: Int[np.ndarray, " boundary"], member: Int8[np.ndarray, "model example"]
) -> Copies:
    """The copies of every document.

    Example:
        >>> member = np.array([[1, 0, 1], [1, 1, 0]], np.int8)
        >>> copies_of(np.array([5, 6, 7, 5, 6]), np.array([0, 2, 3, 5]), member).seen
        array([[2, 0, 2],
               [1, 1, 1]])
    """
    names: dict[bytes, int] = {}
    spans = pairwise(offsets.tolist())
    cluster = np.array([names.setdefault(token[a:b].tobytes(), len(names)) for a, b in spans], np.int64)
    standing = np.bincount(cluster, minlength=len(names))
    seen = np.empty(member.shape, np.int64)
    for row, membership in zip(seen, member, strict=True):
        times = np.bincount(cluster, membership == 1, minlength=len(names)).astype(np.int64)
        unknown = np.bincount(cluster, membership < 0, minlength=len(names)) > 0
        row[:] = np.where(unknown, -1, times)[cluster]
    return Copies(cluster, standing[cluster], seen)


def pooled_curve(
    axis: str,
    at: Float[np.ndarray, " point"],
    outcome: Float[np.ndarray, "*point model example"],
    chosen: list[Bool[np.ndarray, "point model example"]],
    cluster: Int[np.ndarray, " example"],
    note: str,
) -> Curve:
    """The share of the chosen (model, document) pairs in each group, at every point.

    `chosen` holds one entry a group of `SIDES`; the outcome may be the same at all points. The interval is the wider,
    at each end, of two: by leaving out documents, with all their copies, and by leaving out models. Below 3 models
    there is the first only.
    """
    lines = [_line(outcome, some, cluster) for some in chosen]
    values, errors = [line[0] for line in lines], [line[1] for line in lines]
    return Curve(
        axis=axis,
        at=at,
        groups=SIDES,
        values=np.stack(values),
        stderr=np.stack([error.stderr for error in errors]),
        low=np.stack([error.low for error in errors]),
        high=np.stack([error.high for error in errors]),
        counts=np.array([int(some.any((0, 1)).sum()) for some in chosen], np.int64),
        models=chosen[0].shape[1],
        note=note,
    )


def _line(outcome: np.ndarray, chosen: np.ndarray, cluster: np.ndarray) -> tuple[np.ndarray, Interval]:
    hits = np.where(chosen, outcome, 0.0)
    by_document = _sums(hits.sum(1), cluster), _sums(chosen.sum(1), cluster)
    by_model = hits.sum(2), chosen.sum(2)
    values = _share(by_model[0].sum(1), by_model[1].sum(1))
    ways = [_interval(values, *by_document), _interval(values, *by_model)]
    return values, Interval(
        np.fmax(ways[0].stderr, ways[1].stderr),
        np.fmin(ways[0].low, ways[1].low),
        np.fmax(ways[0].high, ways[1].high),
    )


def _sums(values: np.ndarray, cluster: np.ndarray) -> np.ndarray:
    """`values[point, example]` added up by cluster."""
    size = int(cluster.max(initial=-1)) + 1
    rows = [np.bincount(cluster, row, minlength=size) for row in values]
    return np.array(rows).reshape(len(values), size)


def _share(hits: np.ndarray, count: np.ndarray) -> np.ndarray:
    return np.asarray(hits / np.where(count, count, np.nan))


def _interval(values: np.ndarray, hits: np.ndarray, count: np.ndarray) -> Interval:
    """Of the share at each point, whose units (columns) that have a say there are left out a part at a time."""
    ends = np.full((3, len(values)), np.nan)
    for point, (have, successes) in enumerate(zip(count > 0, hits, strict=True)):
        units = int(have.sum())
        if units < 3:
            continue
        part = np.arange(units) % _PARTS
        gone = np.stack([np.bincount(part, column[have]) for column in (successes, count[point])])
        total = gone.sum(1, keepdims=True)
        left = _share(total[0] - gone[0], total[1] - gone[1])
        found = curve_interval(values[point : point + 1], left[:, None], cells=units)
        ends[:, point] = found.stderr[0], found.low[0], found.high[0]
    return Interval(*ends)
