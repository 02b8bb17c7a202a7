"""Digits: 1,797 handwritten digits of 8 × 8 pixels, which scikit-learn carries with it."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Int

from byrote.data.arrays import from_arrays
from byrote.data.dataset import Dataset

HELD_OUT = 0.2
_SPLIT_SEED = 20_250_101


def digits() -> tuple[Dataset, Dataset]:
    """The training and the held-out digits; the split is fixed, by class, a fifth held out.

    Example:
        >>> training, heldout = digits()
        >>> training.inputs.shape, len(heldout)
        ((1438, 1, 8, 8), 359)
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    whole = from_arrays(
        (bunch.images / 16).astype(np.float32),
        bunch.target,
        name="digits",
        class_names=tuple(str(digit) for digit in range(10)),
    )
    held_out = stratified(whole.targets, share=HELD_OUT, rng=np.random.default_rng(_SPLIT_SEED))
    return whole.subset(~held_out), whole.subset(held_out).replace(name="digits-held-out")


def stratified(
    targets: Int[np.ndarray, " example"], *, share: float, rng: np.random.Generator
) -> Bool[np.ndarray, " example"]:
    """Choose this share of every class at random."""
    chosen = np.zeros(len(targets), bool)
    for label in np.unique(targets):
        positions = np.flatnonzero(targets == label)
        chosen[rng.permutation(positions)[: round(share * len(positions))]] = True
    return chosen
