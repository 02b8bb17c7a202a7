"""Nearest neighbours, whose distances are exact, and what their labels say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

#: Rows that are compared with all others together.
ROWS = 512
#: More candidates than neighbours are taken by a fast formula that rounds, before distances are computed exactly.
SPARE = 4


@dataclass(frozen=True, eq=False)
class Nearest:
    """The nearest reference points of each query, from near to far."""

    index: Int[np.ndarray, "query neighbour"]
    distance: Float[np.ndarray, "query neighbour"]


def nearest(
    queries: Float[np.ndarray, "query unit"],
    references: Float[np.ndarray, "reference unit"],
    count: int,
    *,
    own: Int[np.ndarray, " query"] | None = None,
) -> Nearest:
    """The `count` nearest references by Euclidean distance; of equal distances the first.

    `own` is the reference that is the query itself and is left out, -1 where there is none. Fewer than `count` other
    references are no neighbours: callers see to it.

    Example:
        >>> x = np.array([[0.0], [1.0], [3.0]])
        >>> nearest(x, x, 1, own=np.arange(3)).index[:, 0]
        array([1, 0, 1])
    """
    queries, references = queries.astype(np.float64), references.astype(np.float64)
    own = np.full(len(queries), -1) if own is None else own
    squares = (references**2).sum(1)
    wide = min(len(references), count + SPARE)
    found = [np.empty((0, count), np.int64)], [np.empty((0, count))]
    for start in range(0, len(queries), ROWS):
        some, me = queries[start : start + ROWS], own[start : start + ROWS]
        apart = squares - 2 * some @ references.T
        inside = np.flatnonzero(me >= 0)
        apart[inside, me[inside]] = np.inf
        few = np.sort(np.argpartition(apart, wide - 1, axis=1)[:, :wide], axis=1)
        exact = np.sqrt(((some[:, None] - references[few]) ** 2).sum(2))
        exact[few == me[:, None]] = np.inf
        order = np.argsort(exact, axis=1, kind="stable")[:, :count]
        found[0].append(np.take_along_axis(few, order, 1))
        found[1].append(np.take_along_axis(exact, order, 1))
    return Nearest(np.concatenate(found[0]), np.concatenate(found[1]))


def vote(labels: Int[np.ndarray, "query neighbour"], classes: int) -> Int[np.ndarray, " query"]:
    """The most frequent label of each row; of equally frequent ones that whose neighbour is nearest.

    Example:
        >>> vote(np.array([[2, 0, 0], [1, 0, 2]]), 3)
        array([0, 1])
    """
    count = (labels[:, :, None] == np.arange(classes)).sum(1)
    tied = np.take_along_axis(count, labels, 1) == count.max(1, keepdims=True)
    return np.asarray(np.take_along_axis(labels, tied.argmax(1)[:, None], 1)[:, 0].astype(np.int64))


def directions(features: Float[np.ndarray, "row unit"]) -> Float[np.ndarray, "row unit"]:
    """Rows of length 1, so that near means a small angle; rows of zeros stay.

    Example:
        >>> directions(np.array([[3.0, 4.0], [0.0, 0.0]]))
        array([[0.6, 0.8],
               [0. , 0. ]])
    """
    wide = features.astype(np.float64)
    length = np.sqrt((wide**2).sum(1, keepdims=True))
    return np.asarray(wide / np.where(length > 0, length, 1.0))


def distinct(points: Float[np.ndarray, "point unit"]) -> Bool[np.ndarray, " point"]:
    """The first of each set of points that are exactly the same.

    Example:
        >>> distinct(np.array([[1.0], [2.0], [1.0]]))
        array([ True,  True, False])
    """
    _, first = np.unique(points, axis=0, return_index=True)
    chosen = np.zeros(len(points), bool)
    chosen[first] = True
    return chosen
