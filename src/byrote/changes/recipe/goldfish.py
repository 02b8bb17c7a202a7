"""The goldfish loss in place of next-token prediction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from byrote.changes.change import Context
from byrote.changes.recipe.inner import changed
from byrote.errors import BadInput
from byrote.recipes.objectives.goldfish import Goldfish
from byrote.recipes.objectives.next_token import NextToken
from byrote.recipes.recipe import Recipe


@dataclass(frozen=True)
class GoldfishLoss:
    """Leave one token in so many out of the loss, the same ones wherever a passage stands."""

    one_in: int = 4
    context: int = 13
    stage: ClassVar[str] = "recipe"
    name: ClassVar[str] = "goldfish"
    of_text: ClassVar[bool] = True

    def apply(self, stage: Any, context: Context) -> Any:
        """The recipe with this objective; a context ends where its document begins, at the corpus's BOS token."""
        objective = Goldfish(one_in=self.one_in, context=self.context, begins=getattr(context.dataset, "bos", None))

        def slots(recipe: Recipe) -> dict[str, Any]:
            if not isinstance(recipe.objective, NextToken | Goldfish):
                raise BadInput(
                    f"The goldfish loss takes the place of next-token prediction. The recipe's objective is "
                    f"{type(recipe.objective).__name__}.",
                    hint="use it for a language model: Recipe(objective=byrote.NextToken(), …).",
                )
            return {"objective": objective}

        return changed(stage, slots)
