"""Near duplicates: the same example once more, slightly disturbed, under another id."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float, Int

from byrote.changes.data._planting import (
    appended,
    check_rate,
    chosen,
    fresh_ids,
    planned_count,
    untouched,
)
from byrote.data.blocks import deviation_of_rows
from byrote.data.controls import NEAR_DUPLICATE, HasRng, planted
from byrote.data.dataset import Dataset

NOISE = 0.02
SHIFTS = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))


@dataclass(frozen=True)
class NearDuplicates:
    """Append disturbed copies of `amount` of the examples, labels and groups kept; the copies are controls.

    An image moves by one pixel, its edge repeated, and gets Gaussian noise of 2 % of the range of the inputs;
    a row gets noise of 2 % of each feature's standard deviation.
    """

    stage: ClassVar[str] = "dataset"
    name: ClassVar[str] = "near-duplicates"
    any_target: ClassVar[bool] = True
    plants: ClassVar[bool] = True

    amount: float

    def __post_init__(self) -> None:
        check_rate(self.amount, caller=self.name)

    def apply(self, dataset: Dataset, context: HasRng) -> Dataset:
        """The dataset with the copies at its end, and the ids they copy remembered.

        Raises:
            BadInput: that is no example at all, or more than are free of controls.
        """
        count = planned_count(dataset, self.amount, caller=self.name)
        positions = chosen(untouched(dataset), count, caller=self.name, rng=context.rng)
        originals = dataset.ids[positions]
        ids = fresh_ids([f"near-copy-of-{original}" for original in originals], dataset.ids)
        return appended(
            dataset,
            inputs=disturbed(dataset, positions, context.rng),
            targets=dataset.targets[positions],
            ids=ids,
            groups=None if dataset.groups is None else dataset.groups[positions],
            controls=planted(NEAR_DUPLICATE, ids, originals),
        )


def disturbed(
    dataset: Dataset, positions: Int[np.ndarray, " chosen"], rng: np.random.Generator
) -> Float[np.ndarray, "chosen ..."]:
    """Copies of these examples: images moved by a pixel and noised, rows noised."""
    copies = dataset.inputs[positions]
    if dataset.holds_images:
        scale = np.asarray(dataset.inputs.max() - dataset.inputs.min(), np.float64)
        shifts = rng.integers(0, len(SHIFTS), size=len(positions))
        copies = np.stack([shifted(image, *SHIFTS[shift]) for image, shift in zip(copies, shifts, strict=True)])
    else:
        scale = deviation_of_rows(dataset.inputs)
    return np.asarray(copies + NOISE * scale * rng.standard_normal(copies.shape))


def shifted(
    image: Float[np.ndarray, "channel height width"], down: int, right: int
) -> Float[np.ndarray, "channel height width"]:
    """The image moved by so many pixels; what comes in from outside repeats the edge.

    Example:
        >>> shifted(np.array([[[1.0, 2.0, 3.0]]]), 0, 1)
        array([[[1., 1., 2.]]])
    """
    _, height, width = image.shape
    rows = np.clip(np.arange(height) - down, 0, height - 1)
    columns = np.clip(np.arange(width) - right, 0, width - 1)
    return image[:, rows[:, None], columns]
