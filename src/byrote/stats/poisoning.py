"""Whether poisons are learned as a pattern or by rote: a verdict from two figures with their intervals."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final, Literal

import numpy as np

from byrote.results import Scalar
from byrote.stats.intervals import agresti_caffo

Verdict = Literal["pattern", "rote", "partly", "neither", "undecided"]
#: More than half of the poisons, or of the stamped inputs.
MOST: Final = 0.5
#: Less than so much memorization is little.
LITTLE: Final = 0.25


def pattern_or_rote(memorization: Scalar, success: Scalar) -> Verdict:
    """The verdict, by the 95 % intervals of the poisons' mean label memorization and of the attack's success.

    Formula:
        both above .5: partly
        rote: memorization above .5
        pattern: success above .5 and memorization below .25
        neither: both below .25
        partly: both above 0
        undecided: anything else, and whatever has no interval; above and below mean the whole interval

    Source: the two ways to learn a backdoor, after Wei et al. 2025, sections 5.3 and 8.3; the limits are byrote's own.

    Example:
        >>> def figure(value):
        ...     return Scalar(value=value, stderr=0.05, low=value - 0.1, high=value + 0.1, models=16, examples=64)
        >>> both = ((0.05, 0.9), (0.9, 0.1), (0.4, 0.4), (0.0, 0.0), (0.9, 0.9))
        >>> [pattern_or_rote(figure(m), figure(s)) for m, s in both]
        ['pattern', 'rote', 'partly', 'neither', 'partly']
    """
    if any(math.isnan(one.low + one.high) for one in (memorization, success)):
        return "undecided"
    if memorization.low > MOST:
        return "partly" if success.low > MOST else "rote"
    if success.low > MOST and memorization.high < LITTLE:
        return "pattern"
    if max(memorization.high, success.high) < LITTLE:
        return "neither"
    return "partly" if min(memorization.low, success.low) > 0 else "undecided"


def with_floor(difference: Scalar, first: float, second: float, pairs: int) -> Scalar:
    """A difference of two rates with an error that is never 0: where no pair of models moves it, that of so many tries.

    Formula:
        Agresti and Caffo's interval of `first` - `second`, each a rate in as many tries as there are pairs

    Example:
        >>> nothing = Scalar(value=1.0, stderr=np.nan, low=np.nan, high=np.nan, models=16, examples=9)
        >>> with_floor(nothing, 1.0, 0.0, 8)
        Scalar(1 ± 0.13, 95 % [0.537, 1])
    """
    if math.isnan(difference.value) or not math.isnan(difference.stderr) or pairs < 3:
        return difference
    tries = np.array([pairs], np.float64)
    found = agresti_caffo(tries * first, tries, tries * second, tries)
    stderr, low, high = (float(one[0]) for one in (found.stderr, found.low, found.high))
    # replicates that do not move would say that nothing ever does, also where two figures are compared
    none, nobody = np.empty(0), np.empty((0, 0))
    return replace(difference, stderr=stderr, low=low, high=high, note="", replicates=none, influence=nobody)
