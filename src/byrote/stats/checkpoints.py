"""Sums over epochs from values recorded at some of them."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from byrote.errors import BadInput


def epoch_weights(epochs: Int[np.ndarray, " checkpoint"]) -> Float[np.ndarray, " checkpoint"]:
    """Weights that turn recorded values into a sum over every epoch from the first recorded to the last.

    Formula:
        sum_c w_c v_c = sum over t = epochs[0] .. epochs[-1] of v(t), with v linear between recorded epochs;
        a gap of L epochs gives (L + 1) / 2 to its start and (L - 1) / 2 to its end
    Example:
        >>> epoch_weights(np.array([0, 1, 2]))
        array([1., 1., 1.])
        >>> epoch_weights(np.array([0, 1, 5]))
        array([1. , 2.5, 2.5])

    Raises:
        BadInput: no epoch, or epochs that do not strictly increase.
    """
    gaps = np.diff(epochs)
    if not len(epochs) or (gaps <= 0).any():
        raise BadInput(
            f"The 'epochs' argument of epoch_weights must increase strictly and not be empty. Got {epochs.tolist()}.",
            hint="give the epochs of the checkpoints in ascending order, each once.",
        )
    weights = np.zeros(len(epochs))
    weights[:-1] += (gaps + 1) / 2
    weights[1:] += (gaps - 1) / 2
    weights[-1] += 1.0
    return weights
