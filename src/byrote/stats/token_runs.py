"""In which documents a run of tokens stands that stands in another text as well; and texts that are nearly the same."""

from __future__ import annotations

from collections import Counter
from typing import Final

import numpy as np
from jaxtyping import Bool, Int, UInt64

#: An odd number that mixes the tokens of a run; runs that it does not tell apart are compared token by token.
_BASE: Final = np.uint64(0x9E3779B97F4A7C15)


def holding(
    texts: Int[np.ndarray, "text position"],
    token: Int[np.ndarray, " token"],
    offsets: Int[np.ndarray, " boundary"],
    width: int,
) -> tuple[Int[np.ndarray, " pair"], Int[np.ndarray, " pair"]]:
    """All pairs of a text and a document that have a run of so many tokens in common, each once.

    Example:
        >>> texts, token = np.array([[5, 1, 2], [9, 9, 9]]), np.array([1, 2, 3, 1, 2])
        >>> text, document = holding(texts, token, np.array([0, 3, 5]), 2)
        >>> text.tolist(), document.tolist()
        ([0, 0], [0, 1])
    """
    length = texts.shape[1] if texts.ndim == 2 else 0
    if length < width or len(token) < width:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    flat, document = texts.reshape(-1), np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    own = np.flatnonzero(np.arange(len(flat) - width + 1) % length <= length - width)
    whole = np.flatnonzero(document[: len(token) - width + 1] == document[width - 1 :])
    said, there = _runs(flat, width)[own], _runs(token, width)[whole]
    order = np.argsort(there, kind="stable")
    first, last = (np.searchsorted(there[order], said, side) for side in ("left", "right"))
    many = last - first
    mine = np.repeat(own, many)
    step = np.arange(many.sum()) - np.repeat(np.cumsum(many) - many, many)
    theirs = whole[order[np.repeat(first, many) + step]]
    same = np.ones(len(mine), bool)
    for at in range(width):
        same &= flat[mine + at] == token[theirs + at]
    pairs = np.unique(np.stack([mine[same] // length, document[theirs[same]]]), axis=1)
    return pairs[0], pairs[1]


def _runs(token: Int[np.ndarray, " token"], width: int) -> UInt64[np.ndarray, " run"]:
    """A number for the run that begins at each token; overflow is meant."""
    size = len(token) - width + 1
    found = np.zeros(size, np.uint64)
    for at in range(width):
        found = found * _BASE + token[at : at + size].astype(np.uint64) + np.uint64(1)
    return found


def apart(texts: Int[np.ndarray, "text position"], order: Int[np.ndarray, " text"]) -> Bool[np.ndarray, " text"]:
    """Texts of which none shares half of its trigrams or more with one before it in the order that stays.

    Example:
        >>> apart(np.array([[1, 2, 3, 4], [1, 2, 3, 9], [5, 6, 7, 8]]), np.array([0, 1, 2])).tolist()
        [True, False, True]
    """
    trigrams = [Counter(zip(row, row[1:], row[2:], strict=False)) for row in texts.tolist()]
    stay = np.zeros(len(texts), bool)
    for one in order.tolist():
        others = np.flatnonzero(stay).tolist()
        stay[one] = all(2 * (trigrams[one] & trigrams[other]).total() < trigrams[one].total() for other in others)
    return stay
