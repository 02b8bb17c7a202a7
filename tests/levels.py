"""How often 95 % intervals miss what they are about: of 200 draws 4 to 16, which is 2 to 8 %."""

from collections.abc import Iterable
from typing import Protocol

import numpy as np

DRAWS = 200


class Interval(Protocol):
    """A figure with its interval."""

    low: float
    high: float


def missed(found: Iterable[Interval], truth: float) -> int:
    """How many intervals do not hold the truth; it refuses unknown ones."""
    ends = np.array([(one.low, one.high) for one in found])
    assert len(ends) == DRAWS
    return missed_by(ends[:, 0], ends[:, 1], truth)


def missed_by(low: np.ndarray, high: np.ndarray, truth: float | np.ndarray) -> int:
    """The same of intervals that are side by side."""
    assert low.size == DRAWS
    assert np.isfinite(low).all()
    assert np.isfinite(high).all()
    return int(((low > truth) | (high < truth)).sum())


def as_promised(misses: int) -> bool:
    """Whether that many of 200 intervals of 95 % may miss."""
    return 4 <= misses <= 16
