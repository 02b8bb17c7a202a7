"""Whether values have one mode, as normal values have, by how their counts above 0 scatter at their mean and spread.

Where values are of two modes, one on each side of 0, mean and spread tell the count, and the count scatters less
around what they lead to expect than that of normal values, some of which are near 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from jaxtyping import Float, Int

from byrote.stats.contrasts import Cells

#: Where counts may scatter less than this share of what normal values do, two modes are not excluded.
LEAST_SCATTER: Final = 0.5
#: Standard errors between the scatter that was seen and the least that may be.
_ERRORS: Final = 2.0
_DRAWS: Final = 1000
_POINTS: Final = 101


@dataclass(frozen=True)
class Scatter:
    """How much counts scatter given mean and variance, as a share of what normal values do, and its standard error."""

    share: float
    error: float

    @property
    def one_mode(self) -> bool:
        """Whether two modes are excluded; never where too few cells have values on both sides of 0."""
        return self.share - _ERRORS * self.error > LEAST_SCATTER

    @property
    def two_modes(self) -> bool:
        """Whether counts scatter less than those of normal values, so that two modes are likely."""
        return not self.one_mode and self.share + _ERRORS * self.error < 1


def scatter_of_counts(
    count: Int[np.ndarray, "stratum side example"], mean: Cells, variance: Cells, above: Cells
) -> Scatter:
    """How much counts above 0 scatter where mean and variance are known, against those of normal values.

    Formula:
        sum(r^2 / n) / sum(Var k / n) over cells of n >= 3 values, k of them above 0; r is what a cubic in z, times
        the normal density, leaves of k - E k on its side, so that a rate that is off does not count as scatter. E and
        Var are those of normal values that have this mean and sample variance: no unknown parameter enters them, and
        they are simulated. The sum of Var k is less what the cubic takes of it. The error is that of normal values,
        cells taken as independent.
    Undefined:
        nan and infinite where no count could be another.

    Example:
        >>> eight, two = np.full((1, 1, 40), 8), np.tile([-3.0, 3.0], 4)
        >>> moments = np.full((1, 1, 40), 0.0), np.full((1, 1, 40), two.var(ddof=1))
        >>> found = scatter_of_counts(eight, *moments, np.full((1, 1, 40), 4))
        >>> found.share < 0.01, found.one_mode, found.two_modes
        (True, False, True)
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        far = mean / np.sqrt(variance)
    off, spread, fourth = (np.zeros(count.shape) for _ in range(3))
    for n in np.unique(count[(count >= 3) & np.isfinite(far)]):
        some = (count == n) & np.isfinite(far)
        points, *moments = _of_normal_values(int(n))
        expected, spread[some], fourth[some] = (np.interp(far[some], points, of) for of in moments)
        off[some] = above[some] - expected
    known = spread > 0
    if not known.any():
        return Scatter(np.nan, np.inf)
    size, total = count[known], float((spread[known] / count[known]).sum())
    rest, lost = _beside_curve(off[known] / np.sqrt(size), far[known], size, np.nonzero(known)[1], spread[known])
    error = np.sqrt(np.maximum(fourth[known] - spread[known] ** 2, 0.0) / size**2)
    left = total - lost
    if left <= 0:
        return Scatter(np.nan, np.inf)
    return Scatter(float((rest**2).sum() / left), float(np.sqrt((error**2).sum()) / left))


def _beside_curve(
    off: np.ndarray, far: np.ndarray, size: np.ndarray, side: np.ndarray, spread: np.ndarray
) -> tuple[np.ndarray, float]:
    """What the cubic leaves of the counts, and what it takes of the scatter."""
    curve = np.sqrt(size) * np.exp(-(far**2) / 2)
    columns = np.stack([curve * far**power * (side == one) for one in (0, 1) for power in range(4)], axis=1)
    basis, sizes, _ = np.linalg.svd(columns, full_matrices=False)
    basis = basis[:, sizes > 1e-9 * sizes[0]]
    return off - basis @ (basis.T @ off), float((basis**2 * (spread / size)[:, None]).sum())


@lru_cache(maxsize=256)
def _of_normal_values(n: int) -> tuple[Float[np.ndarray, " point"], ...]:
    """Means in standard deviations; there, mean, variance and fourth moment of the count of n normal values above 0."""
    values = np.random.default_rng(n).normal(size=(_DRAWS, n))
    values -= values.mean(1, keepdims=True)
    values = np.sort(values / values.std(1, ddof=1, keepdims=True))
    most = (n - 1) / np.sqrt(n)  # the farthest of n values
    points = np.linspace(-most, most, _POINTS)
    counted = np.stack([n - np.searchsorted(row, -points, side="right") for row in values]).astype(np.float64)
    away = counted - counted.mean(0)
    return points, counted.mean(0), (away**2).mean(0), (away**4).mean(0)
