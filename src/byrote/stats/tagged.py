"""Scores that are sorted in one pass with what they are of, which the last binary digits of each number say."""

from __future__ import annotations

from typing import Final

import numpy as np
from jaxtyping import Float, Int, Int8

from byrote.stats.roc import Tagged

#: The last digits of a score, which hold whether its target was trained on the example, and the target's part.
LAST: Final = np.int64(2**6 - 1)
MOST_PARTS: Final = 2**5
_LARGEST: Final = np.finfo(np.float64).max


def tagged(
    score: Float[np.ndarray, "target example"],
    member: Int8[np.ndarray, "target example"],
    part: Int[np.ndarray, " target"],
) -> Float[np.ndarray, "target example"]:
    """Numbers that sort as the scores do, to 13 decimal digits; infinite where score or membership is unknown.

    Scores that agree in so many digits are ties. Parts are numbered from 0 to 31.
    """
    found = np.clip(score, -_LARGEST, _LARGEST) + 0.0  # no infinity, and no zero below zero
    bits = found.view(np.int64)
    bits &= ~LAST
    bits |= (member == 1) + 2 * part[:, None]
    unknown = (member < 0) | np.isnan(score)
    if unknown.any():
        found[unknown] = np.inf
    return np.asarray(found)


def ranked(numbers: Float[np.ndarray, "*cells"]) -> Tagged:
    """The scores of some of these numbers, those that are unknown left out.

    Example:
        >>> numbers = tagged(np.array([[2.0, 1.0, 3.0]]), np.array([[1, 0, -1]], np.int8), np.array([5]))
        >>> ranked(numbers).score, ranked(numbers).inside, ranked(numbers).part
        (array([1., 2.]), array([False,  True]), array([5, 5], dtype=uint8))
    """
    ascending = np.sort(numbers, axis=None)
    bits = ascending[: np.searchsorted(ascending, np.inf)].view(np.int64)
    tag = bits.astype(np.uint8) & np.uint8(LAST)
    return Tagged((bits & ~LAST).view(np.float64), (tag & 1).view(bool), tag >> 1)
