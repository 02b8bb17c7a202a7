"""Labels that are not quite certain."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from byrote.changes.change import Context
from byrote.changes.recipe.inner import changed
from byrote.errors import BadInput
from byrote.recipes.objectives.cross_entropy import CrossEntropy
from byrote.recipes.objectives.next_token import NextToken
from byrote.recipes.recipe import Recipe


@dataclass(frozen=True)
class LabelSmoothing:
    """Train towards (1 - amount) of the label and `amount` of all classes alike. What is recorded is never smoothed.

    It may make membership easier to tell, where it makes fewer wrong labels memorized: look at both on the card.

    Source: Szegedy et al. 2016, arXiv:1512.00567, section 7.
    """

    amount: float = 0.1
    stage: ClassVar[str] = "recipe"
    name: ClassVar[str] = "label-smoothing"
    of_text: ClassVar[bool] = True

    def __post_init__(self) -> None:
        CrossEntropy(label_smoothing=self.amount)  # it refuses what cannot be

    def apply(self, stage: Any, context: Context) -> Any:
        """The recipe with smoothed labels.

        Raises:
            BadInput: its objective has none to smooth.
        """
        return changed(stage, self._slots)

    def _slots(self, recipe: Recipe) -> dict[str, Any]:
        if not isinstance(recipe.objective, CrossEntropy | NextToken):
            raise BadInput(
                f"The change {self.name!r} smooths the labels of cross-entropy. The recipe has {recipe.objective!r}.",
                hint="change a run whose recipe has objective=byrote.CrossEntropy() or byrote.NextToken().",
            )
        return {"objective": replace(recipe.objective, label_smoothing=self.amount)}
