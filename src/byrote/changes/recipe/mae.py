"""The mean absolute error of probabilities in place of cross-entropy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from byrote.changes.change import Context
from byrote.changes.recipe.inner import in_place_of_cross_entropy
from byrote.recipes.objectives.mean_absolute_error import MeanAbsoluteError


@dataclass(frozen=True)
class MaeLoss:
    """Let every label pull alike, by the absolute error of the probabilities.

    Its gradients are of another size than cross-entropy's, so the best learning rate may be another one.

    Source: Ghosh, Kumar & Sastry 2017, arXiv:1712.09482.
    """

    stage: ClassVar[str] = "recipe"
    name: ClassVar[str] = "mae"

    def apply(self, stage: Any, context: Context) -> Any:
        """The recipe with this objective.

        Raises:
            BadInput: its objective is not plain cross-entropy.
        """
        return in_place_of_cross_entropy(stage, self.name, MeanAbsoluteError())
