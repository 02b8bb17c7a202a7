"""Rates of values above 0 that are taken as normal: from their means and spreads instead of counts.

Where values are normal, mean and spread tell more of a rate than counts do: at a rate of one half the variance is
1.57 times smaller. Where they are not, the rate is off, however many values there are. That is the error of the form;
it is measured against the counts, and intervals contain it. Values that are all on one side of 0 tell nothing of a
second mode on the other side: there no interval ends nearer than FLOOR says, and where two modes are not excluded,
none is shorter than that of counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float, Int
from scipy.special import ndtr, ndtri, stdtrit

from byrote.stats.contrasts import Cells, contrast_of_intervals, contrast_of_rates
from byrote.stats.intervals import UPPER, Interval
from byrote.stats.normal_shape import Scatter, scatter_of_counts

#: The middle variance of a cell's examples counts as so many values more of each example.
PRIOR: Final = 4
#: The error of the form is never taken as smaller, in standard deviations of one answer.
LEAST_ERROR: Final = 0.09
#: Of rates drawn uniformly whose n values are all above 0, this share is below FLOOR^(1/(n + 1)).
FLOOR: Final = 0.1
#: No score is taken as farther from 0, where no spread was seen at all.
_FARTHEST: Final = 40.0
_ROOT: Final = float(np.sqrt(2 * np.pi))


@dataclass(frozen=True, kw_only=True, eq=False)
class NormalRates:
    """Rates and their 95 % intervals, the error of the form in standard deviations of one answer, and what was seen.

    `one_mode` says that values have one mode, so that intervals may be shorter than those of counts.
    """

    value: Cells
    low: Cells
    high: Cells
    error: float
    scatter: Scatter
    count: Int[np.ndarray, "stratum side example"]
    above: Cells
    one_mode: bool

    def contrast(self, weight: Float[np.ndarray, "stratum example"]) -> tuple[np.ndarray, Interval]:
        """Side 1 minus side 0, averaged over strata; where two modes are not excluded, joined with that of counts."""
        value, found = contrast_of_intervals(self.value, self.low, self.high, weight)
        if self.one_mode:
            return value, found
        _, other = contrast_of_rates(self.above, self.count)
        ends = np.minimum(found.low, other.low), np.maximum(found.high, other.high)
        return value, Interval(np.maximum(found.stderr, other.stderr), *ends)


def normal_rates(
    count: Int[np.ndarray, "stratum side example"],
    mean: Cells,
    variance: Cells,
    above: Cells,
    *,
    one_mode: bool | None = None,
) -> NormalRates:
    """Rates by cell of values with these means and sample variances, of which so many were above 0.

    Whether values have one mode is tested, see `scatter_of_counts`, unless it is said.

    Formula:
        as `rate_of`; the interval of the score has Student's quantile times sqrt(1/n + z^2 / 2(n - 1 + PRIOR)); the
        error of the form is t = sqrt(sum((above/n - p)^2 - e) / sum(p (1 - p))), e the square to be expected of
        normal values, and at least LEAST_ERROR; t sqrt(q (1 - q)), q = (n p + 1)/(n + 2), is added to either side as
        an error of its own. Where all n values are above 0, an interval reaches down to FLOOR^(1/(n + 1)) at least,
        and where none is, up to as far from 0
    Undefined:
        nan with fewer than 2 values.

    Example:
        >>> eight, mean = np.full((1, 1, 2), 8), np.array([[[0.0, 1.0]]])
        >>> found = normal_rates(eight, mean, np.ones((1, 1, 2)), np.array([[[4, 7]]]))
        >>> found.value.round(2), found.low.round(2), found.high.round(2)
        (array([[[0.5 , 0.85]]]), array([[[0.2 , 0.52]]]), array([[[0.8 , 0.99]]]))
    """
    score, value = score_and_rate(count, mean, variance)
    degrees = np.where(count > 1, count - 1 + PRIOR, np.nan)
    variance_of_score = 1 / np.maximum(count, 1) + score**2 / (2 * degrees)
    error = _error_of_form(count, score, value, variance_of_score, above)
    reach = stdtrit(degrees, UPPER) * np.sqrt(variance_of_score)
    rate = (count * value + 1) / (count + 2)
    beside = float(ndtri(UPPER)) * max(error, LEAST_ERROR) * np.sqrt(rate * (1 - rate))
    below = np.hypot(np.maximum(value - ndtr(score - reach), 0.0), beside)
    beyond = np.hypot(np.maximum(ndtr(score + reach) - value, 0.0), beside)
    least = FLOOR ** (1 / (count + 1))
    low = np.where(above == count, np.minimum(value - below, least), value - below)
    high = np.where(above == 0, np.maximum(value + beyond, 1 - least), value + beyond)
    scatter = scatter_of_counts(count, mean, variance, above)
    return NormalRates(
        value=value,
        low=np.maximum(low, 0.0),
        high=np.minimum(high, 1.0),
        error=error,
        scatter=scatter,
        count=count,
        above=above,
        one_mode=scatter.one_mode if one_mode is None else one_mode,
    )


def score_and_rate(
    count: Int[np.ndarray, "*part stratum side example"],
    mean: Float[np.ndarray, "*part stratum side example"],
    variance: Float[np.ndarray, "*part stratum side example"],
) -> tuple[Float[np.ndarray, "*part stratum side example"], Float[np.ndarray, "*part stratum side example"]]:
    """Means in standard deviations, and the rates of values above 0 that follow, by cell.

    Formula:
        z = mean / s, s^2 = (PRIOR s0^2 + (n - 1) v) / (PRIOR + n - 1), v the sample variance and s0^2 the median of
        v / (1 - 2/9(n - 1))^3 over the examples of the cell, which is Wilson and Hilferty's median of v of normal
        values; p = Phi(z / sqrt(1 - 1/n)), which takes away what the mean's own error adds
    Undefined:
        nan with fewer than 2 values. Without any spread p is 1 above 0, and 0 elsewhere.

    Example:
        >>> score, rate = score_and_rate(np.full((1, 1, 1), 5), np.full((1, 1, 1), 1.0), np.full((1, 1, 1), 4.0))
        >>> score.round(2), rate.round(2)
        (array([[[0.48]]]), array([[[0.7]]]))
    """
    enough = (count > 1) & np.isfinite(mean) & np.isfinite(variance)
    spread = spreads(count, np.where(enough, variance, np.nan))
    with np.errstate(divide="ignore", invalid="ignore"):
        score = np.where(spread > 0, mean / spread, np.where(mean > 0, np.inf, -np.inf))
        score = np.where(enough, np.clip(score, -_FARTHEST, _FARTHEST), np.nan)
        return score, ndtr(score / np.sqrt(1 - 1 / np.maximum(count, 1)))


def spreads(
    count: Int[np.ndarray, "*cell example"], variance: Float[np.ndarray, "*cell example"]
) -> Float[np.ndarray, "*cell example"]:
    """The standard deviations of `score_and_rate`, s, from sample variances; nan of those that are.

    Example:
        >>> spreads(np.array([3, 3, 3]), np.array([0.0, 2.0, 9.0])).round(2)
        array([1.38, 1.6 , 2.21])
    """
    usual = _median(np.where(count > 1, variance / (1 - 2 / (9 * np.maximum(count - 1, 1))) ** 3, np.nan))
    spread: np.ndarray = np.sqrt((PRIOR * usual + (count - 1) * variance) / (PRIOR + count - 1))
    return spread


def _median(values: np.ndarray) -> np.ndarray:
    """The median over examples; nan where none is known."""
    lacking = np.isnan(values).all(-1, keepdims=True)
    return np.where(lacking, np.nan, np.nanmedian(np.where(lacking, 0.0, values), axis=-1, keepdims=True))


def _error_of_form(
    count: np.ndarray, score: np.ndarray, value: np.ndarray, variance_of_score: np.ndarray, above: np.ndarray
) -> float:
    """How far rates by this form are from those by counts, beyond what normal values explain."""
    variance = (np.exp(-(score**2) / 2) / _ROOT) ** 2 * variance_of_score
    spread = value * (1 - value) + variance
    known, counted = ~np.isnan(value), above / np.maximum(count, 1)
    expected = np.maximum(spread / np.maximum(count, 1) - variance, 0.0)
    beyond = np.where(known, (counted - value) ** 2 - expected, 0.0).sum()
    total = np.where(known, spread, 0.0).sum()
    return float(np.sqrt(max(beyond, 0.0) / total)) if total > 0 else 0.0
