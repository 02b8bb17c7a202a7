"""Who is called a member where the threshold is the best one of the other targets: balanced accuracy."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Float, Int, Int8

from byrote.stats.roc import Ordered, Tagged

#: Thresholds of balanced accuracy are chosen among so many quantiles of the scores.
_QUANTILES: Final = 1000


class Called(NamedTuple):
    """For each part the least score at which its targets are called members, and the accuracy of these calls."""

    threshold: Float[np.ndarray, " part"]
    accuracy: float


def balanced_accuracy(
    score: Float[np.ndarray, "target example"],
    member: Int8[np.ndarray, "target example"],
    part: Int[np.ndarray, " target"],
) -> float:
    """Mean of the rates of true positives and true negatives, each part judged at the best threshold of the others.

    Undefined:
        nan with fewer than two parts, or where the others lack members or non-members.
    """
    called = best(Ordered.of(score, member).of_parts(np.unique(part, return_inverse=True)[1]))
    return math.nan if called is None else called.accuracy


def thresholds(
    score: Float[np.ndarray, "target example"],
    member: Int8[np.ndarray, "target example"],
    part: Int[np.ndarray, " target"],
) -> Float[np.ndarray, " target"] | None:
    """For each target the least score at which it is best to say "member", by the targets of other parts.

    None where they cannot tell.
    """
    rows = np.unique(part, return_inverse=True)[1]
    called = best(Ordered.of(score, member).of_parts(rows))
    return None if called is None else called.threshold[rows]


def best(cells: Tagged) -> Called | None:
    """The best thresholds of other parts, for each part; None where the others lack members or non-members."""
    if not len(cells.score):
        return None
    grid = np.unique(_quantiles(cells.score))
    counts = _counts(cells, grid)
    # positive at level b: the scores that lie in bin b or above
    false, true = np.flip(np.cumsum(np.flip(counts, 2), 2), 2)
    others_false, others_true = false.sum(0) - false, true.sum(0) - true
    if (counts.sum((0, 2)) > 0).sum() < 2 or not others_false[:, 0].all() or not others_true[:, 0].all():
        return None
    # whole numbers, so that equally good thresholds are equal: the lowest of them is taken
    level = (others_true * others_false[:, :1] - others_false * others_true[:, :1]).argmax(1)
    each = np.arange(len(level))
    inside, outside = (side[each, level].sum() / side[:, 0].sum() for side in (true, false))
    return Called(np.concatenate([[-np.inf], grid, [np.inf]])[level], float(inside + 1 - outside) / 2)


def _quantiles(ascending: np.ndarray) -> np.ndarray:
    """Of sorted values, those that `np.quantile` gives with the method "inverted_cdf"."""
    place = np.ceil(np.linspace(0, 1, _QUANTILES + 1) * len(ascending) - 1).astype(np.int64)
    return np.asarray(ascending[np.clip(place, 0, len(ascending) - 1)])


def _counts(cells: Tagged, grid: np.ndarray) -> np.ndarray:
    """`[side, part, level]`: how many scores lie at a level, which counts the points of the grid not above them."""
    width, parts = len(grid) + 2, int(cells.part.max()) + 1
    steps = np.searchsorted(cells.score, grid, side="left")
    level = np.repeat(np.arange(len(grid) + 1), np.diff(np.concatenate([[0], steps, [len(cells.score)]])))
    level += (np.arange(2 * parts) * width)[cells.part + np.intp(parts) * cells.inside]
    return np.bincount(level, minlength=2 * parts * width).reshape(2, parts, width)
