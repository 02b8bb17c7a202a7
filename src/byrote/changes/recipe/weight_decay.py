"""Weight decay."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from byrote.changes.change import Context
from byrote.changes.recipe.inner import changed
from byrote.errors import BadInput


@dataclass(frozen=True)
class WeightDecay:
    """Set the optimizer's weight decay."""

    amount: float = 5e-4
    stage: ClassVar[str] = "recipe"
    name: ClassVar[str] = "weight-decay"
    of_text: ClassVar[bool] = True

    def apply(self, stage: Any, context: Context) -> Any:
        """The recipe with this weight decay."""
        return changed(stage, lambda recipe: {"optimizer": with_decay(recipe.optimizer, self.amount)})


def with_decay(optimizer: Any, amount: float) -> Any:
    """The optimizer with this weight decay.

    Raises:
        BadInput: it has none.
    """
    if not hasattr(optimizer, "weight_decay"):
        raise BadInput(f"The optimizer {type(optimizer).__name__} has no weight decay.", hint="use SGD or AdamW.")
    return replace(optimizer, weight_decay=amount)
