"""A share of examples beyond a threshold, freed of what chance carries over it."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import hypergeom


def extrapolated_share(
    right: Int[np.ndarray, "side example"], trials: Int[np.ndarray, "side example"], threshold: float
) -> float:
    """Share of the examples whose rate of side 1 exceeds that of side 0 by `threshold` or more, at endless trials.

    Estimates scatter around the true differences. Where most of these lie below the threshold, more estimates are
    carried up over it than down; the excess falls about as 1 / trials, so that what half of the trials would show
    tells how much of it is left. With 16 or more trials a side this lies within .015 of the truth in simulations where
    the plain share lies up to .04 above it; where no example has a difference and rates are spread evenly it is 0
    instead of .07. With 8 trials a side .05 is left there, so that reports tell it from 16 on. Where most examples lie
    just below the threshold and are right half of the time, much of the excess stays: no number of trials that a report
    rests on tells .24 from .25.

    Formula:
        mean over examples of s_n + (s_n - s_h) h / (n - h), not below 0 or above 1, with n the smaller of an
        example's trials on both sides, h half of the median n,
        s_n = clip((rate_1 - rate_0 - threshold) n + 1/2, 0, 1), because rates come in steps of 1 / n and an example
        at the threshold stands for those half a step on either side,
        s_h = the mean of the same over all choices of h of the trials on each side (hypergeometric)
    Undefined:
        nan where no example has more than h trials on both sides, or h is 0.

    Example:
        >>> right = np.array([[8, 8, 8, 0], [8, 8, 8, 8]])
        >>> extrapolated_share(right, np.full((2, 4), 8), 0.25)
        0.25
    """
    most = int(trials.max(initial=0)) + 1
    cells, frequent = np.unique(np.ravel_multi_index((*right, *trials), (most,) * 4), return_counts=True)
    counted = np.array(np.unravel_index(cells, (most,) * 4))
    right, trials = counted[:2], counted[2:]
    smaller = trials.min(0)
    half = int(np.median(np.repeat(smaller, frequent))) // 2 if len(frequent) else 0
    enough = smaller > half
    if half == 0 or not enough.any():
        return float("nan")
    right, trials, smaller, frequent = right[:, enough], trials[:, enough], smaller[enough], frequent[enough]
    whole = _beyond(right[1] / trials[1] - right[0] / trials[0], smaller, threshold)
    some = np.arange(half + 1)
    chance = [hypergeom.pmf(some, trials[side][:, None], right[side][:, None], half) for side in (0, 1)]
    halved = ((chance[1] @ _beyond((some[:, None] - some) / half, half, threshold)) * chance[0]).sum(1)
    share = np.average(whole + (whole - halved) * half / (smaller - half), weights=frequent)
    return float(np.clip(share, 0.0, 1.0))


def _beyond(
    difference: Float[np.ndarray, "*shape"], trials: Int[np.ndarray, "*shape"] | int, threshold: float
) -> Float[np.ndarray, "*shape"]:
    beyond: np.ndarray = np.clip((difference - threshold) * trials + 0.5, 0.0, 1.0)
    return beyond
