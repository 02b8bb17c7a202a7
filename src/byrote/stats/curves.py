"""Errors of curves of shares: leave out a unit of models at a time and look how every point moves."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.special import stdtrit

from byrote.stats.intervals import UPPER, Interval, mean_interval
from byrote.stats.jackknife import spread
from byrote.stats.moments import Moments


def curve_interval(
    values: Float[np.ndarray, " point"], replicates: Float[np.ndarray, "left_out point"], *, cells: int | None = None
) -> Interval:
    """Interval at each point of a curve of shares in [0, 1], from its delete-one replicates.

    `cells` counts the single answers that a share is one of. Where nearly all of them agree few replicates move, and
    the jackknife knows little of its own error; so the interval is never narrower than that of a rate among the cells.
    It covers what single answers do, not whole models that fail one in many. Without `cells` (a figure that is no
    share of answers) only a point at which no replicate moves has the error of a rate, among the units left out.

    Formula:
        stderr = max(jackknife, sqrt(r (1 - r) / (cells + 2))), r = (value cells + 1) / (cells + 2); the interval is
        the union of value -+ t jackknife and r -+ 1.96 sqrt(r (1 - r) / (cells + 2)), within [0, 1]
    Undefined:
        nan with fewer than 3 replicates, and at a point where one is nan.

    Example:
        >>> curve_interval(np.array([0.5]), np.array([[0.4], [0.5], [0.6]])).stderr.round(3)
        array([0.115])
        >>> curve_interval(np.array([1.0]), np.ones((8, 1)), cells=1000).low.round(3)
        array([0.997])
    """
    count, points = replicates.shape
    if count < 3:
        unknown = np.full(points, np.nan)
        return Interval(unknown, unknown, unknown)
    known = np.isfinite(replicates).all(0) & np.isfinite(values)
    jackknife = spread(replicates)
    floored = known & (np.isnan(jackknife) if cells is None else True)
    jackknife = np.where(known, np.nan_to_num(jackknife), np.nan)
    reach = stdtrit(count - 1.0, UPPER) * jackknife
    low, high = np.clip(values - reach, 0.0, 1.0), np.clip(values + reach, 0.0, 1.0)
    trials = np.full(points, count if cells is None else cells)
    rate = mean_interval(Moments(trials, values, np.zeros(points)), bounds=(0.0, 1.0))
    return Interval(
        np.where(floored, np.maximum(jackknife, rate.stderr), jackknife),
        np.where(floored, np.minimum(low, rate.low), np.minimum(low, values)),
        np.where(floored, np.maximum(high, rate.high), np.maximum(high, values)),
    )
