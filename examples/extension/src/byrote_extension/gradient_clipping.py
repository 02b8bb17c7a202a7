"""A change of the recipe: no step is longer than the gradient of so long a norm makes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from byrote.changes.change import Context
from byrote.changes.recipe.inner import changed
from byrote.errors import BadInput
from byrote.recipes.gradient_transforms import ClipNorm
from byrote.recipes.recipe import Recipe


@dataclass(frozen=True)
class GradientClipping:
    """Scale the gradient of each step down to Euclidean norm `largest` where it is longer.

    Formula:
        g <- g min(1, largest / ||g||)

    Source: Pascanu, Mikolov & Bengio 2013, arXiv:1211.5063, algorithm 1.
    """

    largest: float = 1.0
    stage: ClassVar[str] = "recipe"
    name: ClassVar[str] = "gradient-clipping"

    def __post_init__(self) -> None:
        if not self.largest > 0:
            raise BadInput(
                f"The 'largest' argument of {self.name} must be above 0. Got {self.largest}.",
                hint=f"{self.name}=1 is usual.",
            )

    def apply(self, stage: Any, context: Context) -> Any:
        """The recipe with clipped gradients.

        Raises:
            BadInput: it changes gradients already.
        """
        return changed(stage, self.slots)

    def slots(self, recipe: Recipe) -> dict[str, Any]:
        """The slot that changes."""
        if recipe.gradient_transform is not None:
            raise BadInput(
                f"The change {self.name!r} would replace what the recipe does to gradients: "
                f"{recipe.gradient_transform!r}.",
                hint="leave gradient_transform out of the recipe.",
            )
        return {"gradient_transform": ClipNorm(self.largest)}
