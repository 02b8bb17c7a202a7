"""Differences between two sides that are taken within strata, and averaged over the strata with fixed weights.

Cells are `[stratum, side, example]`, side 1 with the example and side 0 without it. A stratum weighs as much as it has
models, whichever side they are on.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int, Real
from scipy.special import ndtri
from scipy.stats import binom

from byrote.stats.intervals import UPPER, Interval

#: Models that each side of a stratum takes.
LEAST_A_SIDE = 2
#: The number of models that is asked for gives this share of the examples what they need.
ENOUGH = 0.95
_MOST_MODELS = 100_000

Cells = Real[np.ndarray, "stratum side example"]


def weights(count: Int[np.ndarray, "stratum side example"]) -> Float[np.ndarray, "stratum example"]:
    """The share of an example's models that each stratum has; they sum to 1.

    Example:
        >>> weights(np.array([[[2], [4]], [[1], [1]]]))
        array([[0.75],
               [0.25]])
    """
    models = count.sum(1)
    share: np.ndarray = models / np.maximum(models.sum(0), 1)
    return share


def added(count: Int[np.ndarray, "stratum side example"]) -> Float[np.ndarray, " example"]:
    """How many successes, and as many failures, each cell of an example is given: 2 over the number of its cells."""
    cells = 2 * (count.sum(1) > 0).sum(0)
    share: np.ndarray = 2.0 / np.maximum(cells, 1)
    return share


def divisor(count: Int[np.ndarray, "stratum side example"]) -> Float[np.ndarray, "stratum side example"]:
    """What a cell's mean square is divided by for the variance of its mean, what was added to it included.

    With S strata the number of its values, less 1 - 1/S: with one stratum what Agresti and Caffo divide by, with many
    small ones what leaves the variance without bias.
    """
    more = added(count)
    size: np.ndarray = np.maximum(count + 2 * more - (1 - more), more)
    return size


def contrast(mean: Cells, weight: Float[np.ndarray, "stratum example"]) -> Float[np.ndarray, " example"]:
    """Side 1 minus side 0 within each stratum, averaged; NaN where a stratum that weighs lacks a side."""
    within = np.where(weight > 0, mean[:, 1] - mean[:, 0], 0.0)
    value: np.ndarray = (weight * within).sum(0)
    return value


def contrast_of_rates(successes: Cells, trials: Int[np.ndarray, "stratum side example"]) -> tuple[np.ndarray, Interval]:
    """The averaged difference of two rates, with the interval of Price & Bonett (2004) for a sum of rates.

    With a single stratum it is that of Agresti & Caffo (2000). Differs: the variance of small cells is divided by
    less, see `divisor`; as published it covers .92 where nine strata have 3 models on one side.

    Source: Price & Bonett 2004, Computational Statistics & Data Analysis 45(3).

    Undefined:
        nan where a stratum that has models lacks a side.

    Example:
        >>> right, models = np.array([[[1], [4]], [[3], [4]]]), np.full((2, 2, 1), 4)
        >>> contrast_of_rates(right, models)[0]
        array([0.5])
    """
    weight, more = weights(trials), added(trials)
    value = contrast(successes / np.where(trials > 0, trials, np.nan), weight)
    rate = (successes + more) / (trials + 2 * more)
    variance = (weight**2 * (rate * (1 - rate) / divisor(trials)).sum(1)).sum(0)
    return value, around(value, contrast(rate, weight), np.where(np.isnan(value), np.nan, np.sqrt(variance)))


def contrast_of_intervals(
    value: Cells, low: Cells, high: Cells, weight: Float[np.ndarray, "stratum example"]
) -> tuple[np.ndarray, Interval]:
    """The averaged difference of rates that have intervals, by the squared distances to their ends.

    The standard error is the interval's length over that of a normal one.

    Source: Zou & Donner 2008, Statistics in Medicine 27(10), 1693-1702.

    Example:
        >>> rate = np.array([[[0.2], [0.7]]])
        >>> contrast_of_intervals(rate, rate - 0.03, rate + 0.04, np.ones((1, 1)))[1].low.round(3)
        array([0.45])
    """
    difference, below, above = contrast(value, weight), value - low, high - value
    down, up = (
        np.sqrt(np.where(weight > 0, weight**2 * (one[:, 1] ** 2 + other[:, 0] ** 2), 0.0).sum(0))
        for one, other in ((below, above), (above, below))
    )
    ends = np.clip(difference - down, -1.0, 1.0), np.clip(difference + up, -1.0, 1.0)
    return difference, Interval((down + up) / (2 * float(ndtri(UPPER))), *ends)


def around(value: np.ndarray, centre: np.ndarray, stderr: np.ndarray) -> Interval:
    """The normal interval around a centre, within -1 and 1, which reaches at least to the value."""
    reach = float(ndtri(UPPER)) * stderr
    low, high = np.clip(centre - reach, -1.0, 1.0), np.clip(centre + reach, -1.0, 1.0)
    return Interval(stderr, np.minimum(low, value), np.maximum(high, value))


def too_few(count: Int[np.ndarray, "stratum side example"]) -> Bool[np.ndarray, " example"]:
    """Whether an example of several strata has one with fewer than 2 models on a side."""
    there = count.sum(1) > 0
    lacking = (there & (count.min(1) < LEAST_A_SIDE)).any(0)
    several: np.ndarray = lacking & (there.sum(0) > 1)
    return several


def models_it_takes(count: Int[np.ndarray, "stratum side example"]) -> int | None:
    """About how many models give 95 % of these examples 2 on either side of every stratum; None where none do.

    The rates at which the examples are in models of a stratum are taken to stay what they are. Where the examples take
    turns, so that none is in more than one model more than another, all of them have 2 as soon as one can.
    """
    there = count.sum((1, 2)) > 0
    count = count[there]
    models = count.sum((1, 2))
    share, rate = models / models.sum(), count[:, 1].sum(1) / models
    if ((rate <= 0) | (rate >= 1)).any():
        return None
    turns = bool((np.ptp(count, axis=2) <= 1).all())
    low, high = 1, _MOST_MODELS
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if _suffices(middle, share, rate, turns) else (middle + 1, high)
    return None if low >= _MOST_MODELS else low + low % 2


def _suffices(models: int, share: np.ndarray, rate: np.ndarray, turns: bool) -> bool:
    within = np.floor(models * share + 1e-9)
    if turns:
        return bool((within * np.minimum(rate, 1 - rate) >= LEAST_A_SIDE - 1e-9).all())
    short = binom.cdf(LEAST_A_SIDE - 1, within, rate) + binom.sf(within - LEAST_A_SIDE, within, rate)
    return float(np.prod(1 - np.minimum(short, 1.0))) >= ENOUGH
