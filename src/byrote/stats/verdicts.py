"""Verdict on a claim about an effect that was measured once by each independent unit: a model, or a pair of models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from jaxtyping import Float
from scipy.special import stdtr, stdtrit

from byrote.results import Scalar
from byrote.stats.intervals import UPPER
from byrote.stats.multiple import holm

Outcome = Literal["holds", "fails", "cannot tell"]
#: Fewer units than these give no interval that can be relied on.
LEAST_UNITS: Final = 3
#: The chance of an outcome that the number of units needed is counted for.
POWER: Final = 0.8
#: No more units than these are advised.
MOST_UNITS: Final = 100_000
LEVEL: Final = 0.05


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the units say: the outcome, the mean effect with its interval, and what would decide where nothing does.

    `p` is two-sided, of a mean effect that equals the margin; NaN where there is no interval. `needed` is a number of
    units, None where the outcome is clear or so many as are advised do not suffice; `reason` says why nothing is told.
    """

    outcome: Outcome
    effect: Scalar
    margin: float
    p: float
    needed: int | None = None
    reason: str = ""


def judge(units: Float[np.ndarray, " unit"], margin: float) -> Verdict:
    """Whether the mean effect lies above the margin: by Student's 95 % interval over the units.

    *Holds* where the interval lies wholly above the margin, *fails* where it lies wholly below, else *cannot tell*.

    Example:
        >>> judge(np.array([1.2, 1.0, 1.4, 1.1]), 0.5).outcome
        'holds'
        >>> judge(np.array([1.2, 0.1, 1.4, 0.3]), 0.5).needed
        55

    Source: Student 1908, Biometrika 6(1), 1-25.
    """
    count = len(units)
    if not np.isfinite(units).all():
        missing = int((~np.isfinite(units)).sum())
        return _untold(units, margin, f"{missing} of {count} runs have no value", None)
    if count < LEAST_UNITS:
        return _untold(units, margin, f"it takes {LEAST_UNITS} runs or more, and there are {count}", LEAST_UNITS)
    mean, spread = float(units.mean()), float(units.std(ddof=1))
    if spread <= 1e-12 * max(abs(mean), abs(margin)):
        return _untold(units, margin, "all runs gave the same value, so that their spread is unknown", None)
    stderr = spread / np.sqrt(count)
    reach = float(stdtrit(count - 1, UPPER)) * stderr
    effect = Scalar(value=mean, stderr=stderr, low=mean - reach, high=mean + reach, models=count, examples=0)
    p_value = float(2 * stdtr(count - 1, -abs(mean - margin) / stderr))
    if effect.low > margin or effect.high < margin:
        return Verdict(outcome="holds" if effect.low > margin else "fails", effect=effect, margin=margin, p=p_value)
    needed = units_needed(abs(mean - margin), spread)
    return Verdict(
        outcome="cannot tell",
        effect=effect,
        margin=margin,
        p=p_value,
        needed=needed,
        reason="the interval holds the margin",
    )


def _untold(units: Float[np.ndarray, " unit"], margin: float, reason: str, needed: int | None) -> Verdict:
    nan = float("nan")
    value = float(units.mean()) if len(units) and np.isfinite(units).all() else nan
    effect = Scalar(value=value, stderr=nan, low=nan, high=nan, models=len(units), examples=0, reason=reason)
    return Verdict(outcome="cannot tell", effect=effect, margin=margin, p=nan, needed=needed, reason=reason)


def units_needed(distance: float, spread: float) -> int | None:
    """The fewest units whose 95 % interval misses a margin at that distance from the mean, with a chance of .8.

    Above 380 it is one of numbers that lie half a percent apart, at most.

    Formula:
        the least n with (t(n - 1, .975) + t(n - 1, .8)) spread / sqrt(n) <= distance

    Undefined:
        None where that is more than 100,000.

    Example:
        >>> units_needed(1.0, 1.0), units_needed(0.0, 1.0)
        (10, None)
    """
    counts = np.unique(np.geomspace(LEAST_UNITS, MOST_UNITS, 4000).astype(np.int64))
    reach = (stdtrit(counts - 1, UPPER) + stdtrit(counts - 1, POWER)) * spread / np.sqrt(counts)
    enough = np.flatnonzero(reach <= distance)
    return int(counts[enough[0]]) if len(enough) else None


def among_all(verdicts: list[Verdict]) -> list[Outcome]:
    """The outcomes when all are read side by side: clear where Holm's adjusted p-value is at most .05.

    One without an interval counts as a test with a p-value of 1.
    """
    adjusted = holm(np.array([1.0 if np.isnan(one.p) else one.p for one in verdicts], np.float64))
    return [
        one.outcome if level <= LEVEL else "cannot tell" for one, level in zip(verdicts, adjusted.tolist(), strict=True)
    ]
