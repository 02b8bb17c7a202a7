"""Random shifts of images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from byrote.changes.change import Context
from byrote.changes.recipe.inner import augmented_by
from byrote.recipes import augmentations


@dataclass(frozen=True)
class RandomShift:
    """Augment by random shifts of up to so many pixels."""

    pixels: int = 1
    stage: ClassVar[str] = "recipe"
    name: ClassVar[str] = "random-shift"

    def apply(self, stage: Any, context: Context) -> Any:
        """The recipe with this augmentation, after what it has."""
        return augmented_by(stage, augmentations.RandomShift(self.pixels))
