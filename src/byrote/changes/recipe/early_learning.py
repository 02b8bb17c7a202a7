"""Early-learning regularization in place of the objective."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from byrote.changes.change import Context
from byrote.changes.recipe.inner import changed
from byrote.recipes.objectives.early_learning_regularization import EarlyLearningRegularization


@dataclass(frozen=True)
class EarlyLearning:
    """Hold on to what the network predicted early, with this strength."""

    strength: float = 3.0
    stage: ClassVar[str] = "recipe"
    name: ClassVar[str] = "early-learning-regularization"

    def apply(self, stage: Any, context: Context) -> Any:
        """The recipe with this objective."""
        return changed(stage, lambda recipe: {"objective": EarlyLearningRegularization(strength=self.strength)})
