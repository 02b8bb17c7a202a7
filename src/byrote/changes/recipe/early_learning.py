"""Early-learning regularization in place of the objective."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from byrote.changes.change import Context
from byrote.changes.recipe.inner import in_place_of_cross_entropy
from byrote.recipes.objectives.early_learning_regularization import EarlyLearningRegularization


@dataclass(frozen=True)
class EarlyLearning:
    """Hold on to what the network predicted early, with this strength."""

    strength: float = 3.0
    stage: ClassVar[str] = "recipe"
    name: ClassVar[str] = "early-learning-regularization"

    def apply(self, stage: Any, context: Context) -> Any:
        """The recipe with this objective.

        Raises:
            BadInput: its objective is not plain cross-entropy.
        """
        return in_place_of_cross_entropy(stage, self.name, EarlyLearningRegularization(strength=self.strength))
