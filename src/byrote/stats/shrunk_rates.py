"""Rates of right answers that are drawn to what other examples of like probability have."""

from __future__ import annotations

from typing import Final

import numpy as np
from jaxtyping import Float, Int, Real
from scipy.optimize import isotonic_regression
from scipy.special import betaincinv

from byrote.stats.intervals import UPPER

#: The curve counts as so many answers more of each example.
PRIOR: Final = 8


def shrunk_rates(
    right: Real[np.ndarray, " example"], count: Int[np.ndarray, " example"], probability: Float[np.ndarray, " example"]
) -> Float[np.ndarray, " example"]:
    """Rates of right answers, drawn to a curve of the mean probability that never falls.

    Formula:
        (right + PRIOR f(q)) / (n + PRIOR), f the isotonic regression of right / n on the probability q over the
        examples, each of weight n
    Undefined:
        nan without an answer, or without a probability.

    Example:
        >>> shrunk_rates(np.array([0, 2, 2]), np.array([2, 2, 2]), np.array([0.1, 0.9, 0.9])).round(2)
        array([0., 1., 1.])
    """
    known = (count > 0) & np.isfinite(probability)
    curve = np.full(len(right), np.nan)
    if known.any():
        knots, place = np.unique(probability[known], return_inverse=True)
        weight = np.bincount(place, count[known], len(knots))
        rate = np.bincount(place, right[known], len(knots)) / weight
        curve[known] = isotonic_regression(rate, weights=weight).x[place]
    return np.asarray((right + PRIOR * curve) / (count + PRIOR))


def ends_of_rates(
    rate: Float[np.ndarray, "*shape"], count: Int[np.ndarray, "*shape"]
) -> tuple[Float[np.ndarray, "*shape"], Float[np.ndarray, "*shape"]]:
    """95 % intervals as wide as so many answers of that rate leave it: Jeffreys', which reach to the rate at least.

    Example:
        >>> low, high = ends_of_rates(np.array([0.5]), np.array([8]))
        >>> low.round(2), high.round(2)
        (array([0.2]), array([0.8]))
    """
    ends = [betaincinv(rate * count + 0.5, (1 - rate) * count + 0.5, at) for at in (1 - UPPER, UPPER)]
    return np.minimum(ends[0], rate), np.maximum(ends[1], rate)
