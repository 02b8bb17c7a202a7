"""Mixtures of the examples of a batch: mixup and CutMix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from byrote.changes.change import Context
from byrote.changes.recipe.inner import mixed_by
from byrote.data.dataset import Dataset
from byrote.data.vocabulary import TextDisplay
from byrote.errors import BadInput
from byrote.recipes import mixing


@dataclass(frozen=True)
class Mixup:
    """Train on mixtures of two examples and of their labels; the smaller `alpha`, the less is mixed.

    What is recorded is never mixed. A member is also shown in mixtures with others, so it is shown twice an epoch.

    Source: Zhang et al. 2018, arXiv:1710.09412.
    """

    alpha: float = 1.0
    stage: ClassVar[str] = "recipe"
    name: ClassVar[str] = "mixup"

    def __post_init__(self) -> None:
        mixing.Mixup(self.alpha)  # it refuses what cannot be

    def apply(self, stage: Any, context: Context) -> Any:
        """The recipe with these mixtures.

        Raises:
            BadInput: the examples are texts, or the recipe mixes already, or treats each example by itself.
        """
        data = context.dataset
        if not isinstance(data, Dataset) or isinstance(data.display, TextDisplay):
            raise BadInput(
                f"{self.name} adds inputs to each other, and those of {data.name!r} are words.",
                hint="dropout, label-smoothing or weight-decay change how texts are learned.",
            )
        return mixed_by(stage, mixing.Mixup(self.alpha))


@dataclass(frozen=True)
class CutMix:
    """Train on pictures with a part of another one pasted in, and on labels that are mixed likewise.

    Source: Yun et al. 2019, arXiv:1905.04899.
    """

    alpha: float = 1.0
    stage: ClassVar[str] = "recipe"
    name: ClassVar[str] = "cutmix"

    def __post_init__(self) -> None:
        mixing.CutMix(self.alpha)  # it refuses what cannot be

    def apply(self, stage: Any, context: Context) -> Any:
        """The recipe with these mixtures.

        Raises:
            BadInput: the examples are no pictures, or the recipe mixes already, or treats each example by itself.
        """
        data = context.dataset
        if not isinstance(data, Dataset) or not data.holds_images:
            raise BadInput(
                f"{self.name} pastes parts of pictures, and the examples of {data.name!r} are none.",
                hint="mixup mixes rows.",
            )
        return mixed_by(stage, mixing.CutMix(self.alpha))
