"""Orders of an epoch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, UInt8


@dataclass(frozen=True)
class Shuffle:
    """A fresh random order each epoch, a function of (seed, epoch) alone; an example of count c appears c times."""

    def order(self, seed: int, epoch: int, count: UInt8[np.ndarray, " example"]) -> Int[np.ndarray, " shown"]:
        """Rows of the dataset in the order in which they are shown."""
        shown = np.repeat(np.arange(len(count)), count)
        return np.random.default_rng([seed, epoch]).permutation(shown)
