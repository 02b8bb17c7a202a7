"""Plain search: every query reads the whole corpus. Nothing to build, and fast enough for a few megabytes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from byrote.data.index.joined import Joined


@dataclass(frozen=True, eq=False)
class PlainSearch:
    """Finds bytes in joined documents."""

    joined: Joined

    def count(self, pattern: bytes) -> int:
        """How often it stands there, overlaps included."""
        return len(self.positions(pattern))

    def positions(self, pattern: bytes) -> Int64[np.ndarray, " hit"]:
        """The bytes at which it begins, ascending."""
        found = []
        at = self._next(pattern, 0)
        while at >= 0:
            found.append(at)
            at = self._next(pattern, at + 1)
        return np.array(found, np.int64)

    def longest(self, pattern: bytes, start: int, known: int) -> int:
        """How many bytes of `pattern[start:]` stand somewhere: a beginning of it, as long as can be.

        The first `known` of them are known to; units at a time are tried, and twice as many after each that stands.
        """
        width = self.joined.width
        low, step = known, width
        while step:
            high = min(low + step, len(pattern) - start)
            if high > low and self._next(pattern[start : start + high], 0) >= 0:
                low, step = high, 2 * step
            else:
                step = min(step, high - low) // (2 * width) * width
        return low

    def _next(self, pattern: bytes, start: int) -> int:
        """The first place from `start` on where a unit begins; -1 where there is none."""
        at = self.joined.data.find(pattern, start)
        while at >= 0 and at % self.joined.width:
            at = self.joined.data.find(pattern, at + 1)
        return at
