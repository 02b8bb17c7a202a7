"""Cutout: a square of each picture is painted over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from byrote.changes.change import Context
from byrote.changes.recipe.inner import augmented_by
from byrote.data.dataset import Dataset
from byrote.errors import BadInput
from byrote.recipes import augmentations


@dataclass(frozen=True)
class Cutout:
    """Paint a square of so many pixels a side over each picture, anew at each step, in the mean of the data.

    Source: DeVries & Taylor 2017, arXiv:1708.04552; half of the picture's side is their CIFAR-10 setting.
    """

    pixels: int = 4
    stage: ClassVar[str] = "recipe"
    name: ClassVar[str] = "cutout"

    def apply(self, stage: Any, context: Context) -> Any:
        """The recipe with this augmentation, after what it has.

        Raises:
            BadInput: the data are no pictures, or smaller ones.
        """
        data = context.dataset
        if not isinstance(data, Dataset) or not data.holds_images:
            raise BadInput(
                f"{self.name} paints over a part of pictures, and the examples of {data.name!r} are none.",
                hint="mixup, dropout or weight-decay change how rows are learned.",
            )
        side = min(data.inputs.shape[-2:])
        if self.pixels >= side:
            raise BadInput(
                f"{self.name} is to paint over {self.pixels} pixels a side, and the pictures of {data.name!r} have "
                f"{side}.",
                hint=f"{self.name}={max(1, side // 2)} is half of a side.",
            )
        mean = float(np.mean(data.inputs, dtype=np.float64))
        return augmented_by(stage, augmentations.Cutout(size=self.pixels, fill=mean))
