"""Learning rates over the course of a phase, as a share of the optimizer's."""

from __future__ import annotations

import math
from dataclasses import dataclass

from byrote.recipes.slots import Schedule


@dataclass(frozen=True)
class Constant:
    """The same rate throughout.

    Example:
        >>> Constant().factor(0.5)
        1.0
    """

    def factor(self, done: float) -> float:
        """`done` is the share of the steps already made, in [0, 1)."""
        return 1.0


@dataclass(frozen=True)
class Linear:
    """Falls in a straight line to `end`.

    Example:
        >>> round(Linear(end=0.2).factor(0.5), 3)
        0.6
    """

    end: float = 0.0

    def factor(self, done: float) -> float:
        """`done` is the share of the steps already made, in [0, 1)."""
        return 1.0 + (self.end - 1.0) * done


@dataclass(frozen=True)
class Cosine:
    """Rises over the first `warmup` share of the steps, then falls along half a cosine to zero.

    Source: Loshchilov & Hutter 2017, arXiv:1608.03983, without restarts.

    Example:
        >>> round(Cosine().factor(0.5), 3)
        0.5
    """

    warmup: float = 0.0

    def factor(self, done: float) -> float:
        """`done` is the share of the steps already made, in [0, 1)."""
        if done < self.warmup:
            return (done + 1e-3) / (self.warmup + 1e-3)
        return 0.5 * (1 + math.cos(math.pi * (done - self.warmup) / (1 - self.warmup)))


@dataclass(frozen=True)
class Triangle:
    """Rises to its peak at the share `peak` of the steps, then falls to zero, both in straight lines.

    Example:
        >>> round(Triangle(peak=0.2).factor(0.1), 3)
        0.502
    """

    peak: float = 0.2

    def factor(self, done: float) -> float:
        """`done` is the share of the steps already made, in [0, 1)."""
        return (done + 1e-3) / (self.peak + 1e-3) if done < self.peak else (1 - done) / (1 - self.peak)


@dataclass(frozen=True)
class Stopped:
    """The first `share` of another schedule: what a training that is stopped there has had of it.

    Example:
        >>> Stopped(Linear(), 0.5).factor(1.0)
        0.5
    """

    schedule: Schedule
    share: float

    def factor(self, done: float) -> float:
        """`done` is the share of the steps already made of those before the stop, in [0, 1)."""
        return self.schedule.factor(done * self.share)
