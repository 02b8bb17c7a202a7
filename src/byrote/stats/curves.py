"""Errors of curves of shares: leave out a unit of models at a time and look how every point moves."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.special import stdtrit

from byrote.stats.intervals import UPPER, Interval, mean_interval
from byrote.stats.jackknife import spread
from byrote.stats.moments import Moments


def curve_interval(values: Float[np.ndarray, " point"], replicates: Float[np.ndarray, "left_out point"]) -> Interval:
    """Jackknife interval at each point of a curve of shares in [0, 1], from its delete-one replicates.

    A point at which no replicate moves has the error of a rate of that value among the units, with one success
    and one failure added.

    Undefined:
        nan with fewer than 3 replicates, and at a point where one is nan.

    Example:
        >>> curve_interval(np.array([0.5]), np.array([[0.4], [0.5], [0.6]])).stderr.round(3)
        array([0.115])
    """
    count, points = replicates.shape
    unknown = np.full(points, np.nan)
    if count < 3:
        return Interval(unknown, unknown, unknown)
    stderr = spread(replicates)
    reach = stdtrit(count - 1.0, UPPER) * stderr
    floor = mean_interval(Moments(np.full(points, count), values, np.zeros(points)), bounds=(0.0, 1.0))
    still = np.isnan(stderr) & np.isfinite(replicates).all(0)
    return Interval(
        np.where(still, floor.stderr, stderr),
        np.where(still, floor.low, np.minimum(np.clip(values - reach, 0.0, 1.0), values)),
        np.where(still, floor.high, np.maximum(np.clip(values + reach, 0.0, 1.0), values)),
    )
