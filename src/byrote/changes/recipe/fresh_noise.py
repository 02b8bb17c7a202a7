"""Input noise that is drawn anew at every step."""

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
class FreshNoise:
    """Mix every picture with a share of noise of the data's mean and standard deviation, drawn anew at each step.

    `input-noise` mixes some with noise that stays; the two tell noise that can be memorized from noise that cannot.
    """

    share: float = 0.5
    stage: ClassVar[str] = "recipe"
    name: ClassVar[str] = "fresh-noise"

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise BadInput(
                f"The 'share' argument of {self.name}, that of the noise, must lie in (0, 1). Got {self.share}.",
                hint="fresh-noise=0.5 is as much noise as input.",
            )

    def apply(self, stage: Any, context: Context) -> Any:
        """The recipe with this augmentation.

        Raises:
            BadInput: the data are rows, whose features have levels of their own.
        """
        data = context.dataset
        if not isinstance(data, Dataset) or not data.holds_images:
            raise BadInput(
                f"{self.name} draws one kind of noise for all pixels, and the examples of {data.name!r} have none.",
                hint="input-noise=0.05 mixes rows with noise of each feature's own level.",
            )
        mean, deviation = (float(level(data.inputs, dtype=np.float64)) for level in (np.mean, np.std))
        noise = augmentations.FreshNoise(share=self.share, mean=mean, deviation=deviation)
        return augmented_by(stage, noise)
