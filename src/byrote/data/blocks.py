"""Blocks of rows: how a large or memory-mapped array is walked without a second copy of it in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Shaped

VALUES_PER_BLOCK = 1 << 21


def row_blocks(array: Shaped[np.ndarray, "example ..."], values: int | None = None) -> Iterator[slice]:
    """Slices of consecutive rows that together cover the array, about so many values each, or two million.

    Example:
        >>> list(row_blocks(np.zeros((3, 2))))
        [slice(0, 3, None)]
    """
    values_per_row = max(1, int(np.prod(array.shape[1:])))
    rows = max(1, (values or VALUES_PER_BLOCK) // values_per_row)
    for start in range(0, len(array), rows):
        yield slice(start, min(start + rows, len(array)))


def finite_rows(array: Float[np.ndarray, "example ..."]) -> Bool[np.ndarray, " example"]:
    """Which rows hold finite numbers only."""
    finite = np.ones(len(array), bool)
    for rows in row_blocks(array):
        block = array[rows]
        finite[rows] = np.isfinite(block).all(axis=tuple(range(1, block.ndim)))
    return finite


def range_of_rows(
    array: Float[np.ndarray, "example ..."],
) -> tuple[Float[np.ndarray, "..."], Float[np.ndarray, "..."]]:
    """The smallest and the largest value along the first axis of an example, shaped to broadcast over examples.

    Example:
        >>> low, high = range_of_rows(np.array([[[0.0, 1.0], [5.0, 2.0]]]))
        >>> low.tolist(), high.tolist()
        ([[0.0], [2.0]], [[1.0], [5.0]])
    """
    inner = (0, *range(2, array.ndim))
    blocks = (array[rows] for rows in row_blocks(array))
    ends = np.array([(block.min(axis=inner), block.max(axis=inner)) for block in blocks])
    shape = (array.shape[1], *[1] * (array.ndim - 2))
    return ends[:, 0].min(0).reshape(shape), ends[:, 1].max(0).reshape(shape)


def range_of(array: Shaped[np.ndarray, "example ..."]) -> tuple[float, float]:
    """The smallest and the largest number.

    Example:
        >>> range_of(np.array([[0.0, 3.0], [-1.0, 2.0]]))
        (-1.0, 3.0)
    """
    blocks = [array[rows] for rows in row_blocks(array)]
    return min(float(block.min()) for block in blocks), max(float(block.max()) for block in blocks)


def mean_of_rows(array: Float[np.ndarray, "example ..."]) -> Float[np.ndarray, "..."]:
    """The mean of each feature, summed in float64."""
    total = np.zeros(array.shape[1:])
    for rows in row_blocks(array):
        total += array[rows].sum(axis=0, dtype=np.float64)
    return _float64(total / len(array))


def deviation_of_rows(array: Float[np.ndarray, "example ..."]) -> Float[np.ndarray, "..."]:
    """The standard deviation of each feature (divided by n), in two passes of float64."""
    mean = mean_of_rows(array)
    total = np.zeros(array.shape[1:])
    for rows in row_blocks(array):
        total += np.square(array[rows] - mean).sum(axis=0)
    return _float64(np.sqrt(total / len(array)))


def _float64(value: Any) -> np.ndarray:
    return np.asarray(value, np.float64)
