"""Count, mean and squared deviations, gathered one model at a time so that memory stays at a few rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Real


@dataclass(frozen=True)
class Moments:
    """What a mean and its error need; `squares` and `cubes` sum powers of the deviations from the mean.

    With cubes an interval is not taken to reach equally far to both sides.
    """

    count: Int[np.ndarray, "*shape"]
    mean: Float[np.ndarray, "*shape"]
    squares: Float[np.ndarray, "*shape"]
    cubes: Float[np.ndarray, "*shape"] | None = None

    @property
    def identical(self) -> Bool[np.ndarray, "*shape"]:
        """Whether all the values seen were the same, up to rounding: there the spread says nothing."""
        same: np.ndarray = np.sqrt(self.squares) <= 1e-12 * np.abs(self.mean)
        return same

    @property
    def variance_of_mean(self) -> Float[np.ndarray, "*shape"]:
        """Squared standard error of the mean; NaN below two values."""
        degrees = np.where(self.count > 1, self.count - 1, np.nan)
        variance: np.ndarray = self.squares / degrees / np.maximum(self.count, 1)
        return variance


class RunningMoments:
    """Moments of a stream of rows, each of which counts for some of its entries only.

    Means are plain sums divided by counts. Sums of 0 and 1 are exact, so that means of answers that were right equally
    often are equal to the last bit, in whatever order the rows came, and ranks have ties where there are ties.
    Deviations are taken from the mean before and after each row (Welford's recurrence), so that a large mean costs no
    digits of the spread. Cubes are gathered if asked for, by Terriberry's recurrence.

    Example:
        >>> running = RunningMoments(2)
        >>> running.add(np.array([1.0, 5.0]), np.array([True, True]))
        >>> running.add(np.array([3.0, 9.0]), np.array([True, False]))
        >>> running.result().mean
        array([2., 5.])
    """

    def __init__(self, size: int, *, cubes: bool = False) -> None:
        self._cubes = np.zeros(size) if cubes else None
        self._count = np.zeros(size, np.int64)
        self._sum = np.zeros(size)
        self._mean = np.zeros(size)
        self._squares = np.zeros(size)

    def add(self, values: Real[np.ndarray, " example"], chosen: Bool[np.ndarray, " example"]) -> None:
        """Take in one row where `chosen`."""
        with np.errstate(invalid="ignore", over="ignore"):
            before = np.where(chosen, values - self._mean, 0.0)
            self._count += chosen
            self._sum += np.where(chosen, values, 0.0)
            self._mean = self._sum / np.maximum(self._count, 1)
            if self._cubes is not None:
                share = before / np.maximum(self._count, 1)
                self._cubes += share * (share * before * (self._count - 1) * (self._count - 2) - 3 * self._squares)
            before *= np.where(chosen, values - self._mean, 0.0)
            self._squares += before

    def result(self) -> Moments:
        """The moments so far; the mean is NaN where nothing was taken in."""
        mean = np.where(self._count > 0, self._mean, np.nan)
        return Moments(
            self._count.copy(), mean, self._squares.copy(), None if self._cubes is None else self._cubes.copy()
        )


#: Means without parts are taken in blocks of so many examples, which stay in a processor's cache.
_BLOCK = 2048


def means_without(
    rows: Iterable[Real[np.ndarray, " example"]],
    chosen: Bool[np.ndarray, "row example"],
    part: Int[np.ndarray, " row"],
) -> Float[np.ndarray, "part example"]:
    """Means of the chosen entries of all rows but those of a part; NaN of none.

    Example:
        >>> rows, part = np.array([[1.0], [2.0], [6.0]]), np.array([0, 1, 1])
        >>> means_without(rows, np.ones((3, 1), bool), part)
        array([[4.],
               [1.]])
    """
    parts, examples = int(part.max(initial=-1)) + 1, chosen.shape[1]
    every, found = list(rows), np.empty((parts, examples))
    for start in range(0, examples, _BLOCK):
        block = slice(start, start + _BLOCK)
        sums, counts = np.zeros((2, parts, found[:, block].shape[1]))
        for row, taken, own in zip(every, chosen[:, block], part.tolist(), strict=True):
            sums[own] += np.where(taken, row[block], 0.0)
            counts[own] += taken
        count = _sums_without(counts)
        found[:, block] = np.where(count > 0, _sums_without(sums) / np.maximum(count, 1.0), np.nan)
    return found


def _sums_without(sums: Float[np.ndarray, "part example"]) -> Float[np.ndarray, "part example"]:
    """The sum of all parts but each one, from those before and after it: nothing is taken away, so digits are kept."""
    without = np.zeros_like(sums)
    without[1:] = np.cumsum(sums[:-1], axis=0)
    without[:-1] += np.cumsum(sums[:0:-1], axis=0)[::-1]
    return without
