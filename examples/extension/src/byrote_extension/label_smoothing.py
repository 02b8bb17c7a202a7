"""A change of the recipe: labels that are not quite certain."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from byrote.changes.change import Context
from byrote.changes.recipe.inner import changed
from byrote.errors import BadInput
from byrote.recipes.objectives.cross_entropy import CrossEntropy
from byrote.recipes.recipe import Recipe


@dataclass(frozen=True)
class LabelSmoothing:
    """Train towards (1 - amount) of the label and `amount` of all classes alike.

    Formula:
        loss_i = - sum_c q_c log p_c, q_c = (1 - amount) [c = y_i] + amount / classes

    Source: Szegedy et al. 2016, arXiv:1512.00567, section 7.
    """

    amount: float = 0.1
    stage: ClassVar[str] = "recipe"
    name: ClassVar[str] = "label-smoothing"

    def __post_init__(self) -> None:
        if not 0 < self.amount < 1:
            raise BadInput(
                f"The 'amount' argument of {self.name} must be in (0, 1). Got {self.amount}.",
                hint=f"{self.name}=0.1 is usual.",
            )

    def apply(self, stage: Any, context: Context) -> Any:
        """The recipe with smoothed labels.

        Raises:
            BadInput: its objective is not cross-entropy.
        """
        return changed(stage, self.slots)

    def slots(self, recipe: Recipe) -> dict[str, Any]:
        """The slot that changes."""
        if not isinstance(recipe.objective, CrossEntropy):
            raise BadInput(
                f"The change {self.name!r} smooths the labels of cross-entropy. The recipe's objective is "
                f"{type(recipe.objective).__name__}.",
                hint="Recipe(objective=byrote.CrossEntropy()) has labels to smooth.",
            )
        return {"objective": replace(recipe.objective, label_smoothing=self.amount)}
