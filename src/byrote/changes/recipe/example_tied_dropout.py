"""Example-tied dropout: a recipe whose networks memorize in units that can be dropped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from byrote.changes.change import Context
from byrote.changes.recipe.inner import changed, network_with
from byrote.recipes.dropout import ExampleTiedDropout as Layer
from byrote.recipes.recipe import Recipe


@dataclass(frozen=True)
class ExampleTiedDropout:
    """Train with a share `fixed` of the hidden units always on, and each other unit on for a share of the examples.

    In evaluation mode no example has units of its own, so most of what they memorized is not visible.

    Source: Maini et al. 2023, arXiv:2307.09542, section 5.
    """

    fixed: float = 0.2
    memory: float = 0.1
    stage: ClassVar[str] = "recipe"
    name: ClassVar[str] = "example-tied-dropout"

    def __post_init__(self) -> None:
        Layer(self.fixed, self.memory)  # it refuses shares outside (0, 1)

    def apply(self, stage: Any, context: Context) -> Any:
        """The recipe with this dropout after each ReLU.

        Raises:
            BadInput: its network has no such setting.
        """
        return changed(stage, self._slots)

    def _slots(self, recipe: Recipe) -> dict[str, Any]:
        instead = "take byrote.MLP or byrote.SmallCNN, or put byrote.ExampleTiedDropout into a network of your own."
        shares = (self.fixed, self.memory)
        return network_with(recipe, "tied_dropout", shares, lacks="example-tied dropout", instead=instead)
