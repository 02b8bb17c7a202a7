"""When a state began that lasted to the end of what was watched."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int


def onset(state: Bool[np.ndarray, "checkpoint example"]) -> Int[np.ndarray, " example"]:
    """The first checkpoint from which the state holds at all that follow; their number where it never does.

    Example:
        >>> onset(np.array([[1, 0, 1], [0, 1, 1], [1, 1, 0]], bool))
        array([2, 1, 3])
    """
    holds = np.logical_and.accumulate(np.flip(state, 0), axis=0)
    return np.asarray(len(state) - np.count_nonzero(holds, axis=0))


def reciprocal(
    at: Int[np.ndarray, " example"], epochs: Int[np.ndarray, " checkpoint"]
) -> Float[np.ndarray, " example"]:
    """1 / epochs of the checkpoint at each index; 0 where the index says never.

    Example:
        >>> reciprocal(np.array([0, 1, 2]), np.array([1, 4]))
        array([1.  , 0.25, 0.  ])
    """
    return np.asarray(np.append(1.0 / epochs, 0.0)[at])
