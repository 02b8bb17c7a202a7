"""TwoNN: of how many dimensions a cloud of points is, from the distances to the two nearest neighbours alone."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from byrote.stats.neighbours import distinct, nearest

#: The share of the largest ratios that is left out: they carry most of the noise.
DISCARDED = 0.1
#: Fewer points than these tell no dimension.
FEWEST = 20
#: Two distances whose ratio differs from 1 by less are equal but for rounding.
TIED = 1e-9


def two_nn(points: Float[np.ndarray, "point unit"]) -> float:
    """The intrinsic dimension of points, of which exact copies count once.

    Formula:
        mu_i = r_2 / r_1, sorted; the slope through 0 of -log(1 - i / n) on log mu_i over the smallest 90 %
    Undefined:
        nan with fewer than 20 points that differ, or where both neighbours of most are equally far, as on a grid.

    Source: Facco et al. 2017, arXiv:1803.06992.
    Differs:
        Copies are removed beforehand, as their r_1 is 0; the source has none.

    Example:
        >>> line = np.random.default_rng(0).normal(size=(800, 1)) * np.ones((1, 5))
        >>> round(two_nn(line), 1)
        1.0
    """
    different = points[distinct(points)].astype(np.float64)
    if len(different) < FEWEST:
        return float("nan")
    found = nearest(different, different, 2, own=np.arange(len(different)))
    ratio = np.sort(found.distance[:, 1] / found.distance[:, 0])
    count = len(ratio)
    if np.median(ratio) - 1 < TIED:
        return float("nan")
    kept = int(count * (1 - DISCARDED))
    x, y = np.log(ratio[:kept]), -np.log1p(-np.arange(1, kept + 1) / count)
    return float(x @ y / (x @ x)) if x @ x > 0 else float("nan")
