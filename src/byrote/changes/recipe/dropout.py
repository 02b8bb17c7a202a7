"""Dropout of hidden units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from byrote.changes.change import Context
from byrote.changes.recipe.inner import changed, network_with
from byrote.recipes import dropout
from byrote.recipes.recipe import Recipe


@dataclass(frozen=True)
class HiddenDropout:
    """Leave out each hidden unit with probability `p` at every step; in evaluation mode all units are there.

    Source: Srivastava et al. 2014 (JMLR 15, "Dropout: a simple way to prevent neural networks from overfitting").
    """

    p: float = 0.5
    stage: ClassVar[str] = "recipe"
    name: ClassVar[str] = "dropout"

    def __post_init__(self) -> None:
        dropout.Dropout(self.p)  # it refuses what cannot be

    def apply(self, stage: Any, context: Context) -> Any:
        """The recipe whose network has this dropout.

        Raises:
            BadInput: its network has no such setting.
        """
        return changed(stage, self._slots)

    def _slots(self, recipe: Recipe) -> dict[str, Any]:
        kinds = "byrote.MLP, byrote.SmallCNN or byrote.BagOfEmbeddings"
        instead = f"take {kinds}, or put byrote.Dropout into a network of your own."
        return network_with(recipe, "dropout", self.p, lacks="setting 'dropout'", instead=instead)
