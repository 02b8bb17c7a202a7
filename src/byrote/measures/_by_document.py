"""What a model says of tokens, as one number a document."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int

#: Why a document has no score.
UNSCORED = "no token of it is predicted: it is shorter than two tokens, and no token stands before it"
NOT_FINITE = "a model's answer is not finite"


def documents_of(offsets: Int[np.ndarray, " boundary"]) -> Int[np.ndarray, " token"]:
    """The document of each token.

    Example:
        >>> documents_of(np.array([0, 2, 2, 3]))
        array([0, 0, 2])
    """
    return np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))


def has_scored(
    offsets: Int[np.ndarray, " boundary"], scored: Bool[np.ndarray, " token"]
) -> Bool[np.ndarray, " example"]:
    """Whether a model predicts any token of a document.

    Example:
        >>> has_scored(np.array([0, 2, 3]), np.array([False, True, False]))
        array([ True, False])
    """
    return np.asarray(np.diff(np.concatenate([[0], np.cumsum(scored)])[offsets]) > 0)


def mean_of_tokens(
    values: Float[np.ndarray, "model token"], offsets: Int[np.ndarray, " boundary"], counted: Bool[np.ndarray, " token"]
) -> Float[np.ndarray, "model example"]:
    """The mean over the tokens of a document that count; nan of none.

    Example:
        >>> mean_of_tokens(np.array([[1.0, 3.0, 5.0]]), np.array([0, 2, 3]), np.array([True, True, False]))
        array([[ 2., nan]])
    """
    document, size = documents_of(offsets)[counted], len(offsets) - 1
    count = np.bincount(document, minlength=size)
    sums = [np.bincount(document, row[counted].astype(np.float64), size) for row in values]
    return np.reshape(sums, (len(values), size)) / np.where(count, count, np.nan)


def mean_of_lowest(
    values: Float[np.ndarray, "model token"],
    offsets: Int[np.ndarray, " boundary"],
    counted: Bool[np.ndarray, " token"],
    share: float,
) -> Float[np.ndarray, "model example"]:
    """The mean over the lowest `share` of a document's tokens that count, at least one of them; nan of none.

    Example:
        >>> values, offsets = np.array([[-1.0, -3.0, -2.0, -9.0]]), np.array([0, 3, 4])
        >>> mean_of_lowest(values, offsets, np.array([True, True, True, False]), 0.7)
        array([[-2.5,  nan]])
    """
    document, size = documents_of(offsets)[counted], len(offsets) - 1
    count = np.bincount(document, minlength=size)
    taken = np.maximum(1, (count * share).astype(np.int64))
    lowest = np.arange(len(document)) - np.repeat(np.cumsum(count) - count, count) < np.repeat(taken, count)
    found = np.empty((len(values), size))
    for row, one in zip(found, values, strict=True):
        known = one[counted].astype(np.float64)
        known = known[np.lexsort((known, document))]
        row[:] = np.bincount(document[lowest], known[lowest], size) / taken
    return np.where(count, found, np.nan)
