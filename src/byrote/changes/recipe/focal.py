"""The focal loss in place of cross-entropy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from byrote.changes.change import Context
from byrote.changes.recipe.inner import in_place_of_cross_entropy
from byrote.recipes.objectives.focal import Focal


@dataclass(frozen=True)
class FocalLoss:
    """Let examples that the network has learned pull less. It turns to wrong labels as to all that is hard.

    Source: Lin et al. 2017, arXiv:1708.02002.
    """

    gamma: float = 2.0
    stage: ClassVar[str] = "recipe"
    name: ClassVar[str] = "focal"

    def __post_init__(self) -> None:
        Focal(self.gamma)  # it refuses what cannot be

    def apply(self, stage: Any, context: Context) -> Any:
        """The recipe with this objective.

        Raises:
            BadInput: its objective is not plain cross-entropy.
        """
        return in_place_of_cross_entropy(stage, self.name, Focal(self.gamma))
