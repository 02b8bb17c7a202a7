"""What is recorded at checkpoints, as one number an example and model: a sum or mean over epochs, or an early value."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Int

from byrote.stats.checkpoints import epoch_weights

#: An early checkpoint is the one nearest to this share of the epochs.
EARLY = 0.1

InTime = Float[np.ndarray, "model checkpoint example"]
Epochs = Int[np.ndarray, " checkpoint"]


def summed(values: InTime, epochs: Epochs, *, squared: bool = False) -> Iterator[np.ndarray]:
    """`[example]` of one model after another: the sum over all epochs, linear between those that were recorded."""
    weights = epoch_weights(epochs)
    for model in values:
        wide = model.astype(np.float64)
        yield weights @ (wide**2 if squared else wide)


def averaged(values: InTime, epochs: Epochs) -> Iterator[np.ndarray]:
    """The mean over all epochs."""
    total = epoch_weights(epochs).sum()
    for model in summed(values, epochs):
        yield model / total


def early(values: InTime, epochs: Epochs, share: float = EARLY) -> np.ndarray:
    """`[model, example]` at the recorded checkpoint that is nearest to that share of the epochs; never the first.

    Example:
        >>> early(np.arange(4.0).reshape(1, 4, 1), np.array([0, 1, 4, 20]))
        array([[1.]])
    """
    if len(epochs) < 2:
        return np.full((len(values), values.shape[2]), np.nan)
    place = 1 + int(np.abs(epochs[1:] - share * epochs[-1]).argmin())
    return np.asarray(values[:, place], np.float64)
