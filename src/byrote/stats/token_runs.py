"""In which documents a run of tokens stands that stands in another text as well; and texts that are nearly the same."""

from __future__ import annotations

from collections import Counter
from typing import Final

import numpy as np
from jaxtyping import Bool, Int, UInt64
from scipy.sparse import csr_array

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
    said, there = _runs(flat, width), _runs(token, width)
    whole = whole[np.isin(there[whole], said[own])]
    place, run = np.append(own, len(flat) + whole), np.append(said[own], there[whole])
    run = _told_apart(np.append(flat, token), place, run, width)
    of_text = _marks(own // length, run[: len(own)], (len(texts), len(run)))
    of_document = _marks(document[whole], run[len(own) :], (len(offsets) - 1, len(run)))
    shared = (of_text @ of_document.T).tocsr()
    shared.sort_indices()
    text, held = shared.nonzero()
    return text.astype(np.int64), held.astype(np.int64)


def _marks(row: Int[np.ndarray, " mark"], run: Int[np.ndarray, " mark"], shape: tuple[int, int]) -> csr_array:
    """Which text or document has which run, however often."""
    found = csr_array((np.ones(len(row), np.int64), (row, run)), shape=shape)
    found.data[:] = 1
    return found


def _told_apart(
    token: Int[np.ndarray, " token"], place: Int[np.ndarray, " run"], number: UInt64[np.ndarray, " run"], width: int
) -> Int[np.ndarray, " run"]:
    """For each run the first one of the same tokens: of the same number, and compared token by token."""
    first, left = np.empty(len(place), np.int64), np.arange(len(place))
    while len(left):
        _, at, which = np.unique(number[left], return_index=True, return_inverse=True)
        leader, same = left[at][which], np.ones(len(left), bool)
        for step in range(width):
            same &= token[place[left] + step] == token[place[leader] + step]
        first[left[same]], left = leader[same], left[~same]
    return first


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
