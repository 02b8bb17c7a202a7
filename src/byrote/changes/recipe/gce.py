"""Generalised cross-entropy in place of cross-entropy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from byrote.changes.change import Context
from byrote.changes.recipe.inner import in_place_of_cross_entropy
from byrote.recipes.objectives.generalised_cross_entropy import GeneralisedCrossEntropy


@dataclass(frozen=True)
class GceLoss:
    """Let examples that the network contradicts pull less, by generalised cross-entropy with this exponent.

    Its gradients are of another size than cross-entropy's, so the best learning rate may be another one.

    Source: Zhang & Sabuncu 2018, arXiv:1805.07836.
    """

    q: float = 0.7
    stage: ClassVar[str] = "recipe"
    name: ClassVar[str] = "gce"

    def __post_init__(self) -> None:
        GeneralisedCrossEntropy(self.q)  # it refuses what cannot be

    def apply(self, stage: Any, context: Context) -> Any:
        """The recipe with this objective.

        Raises:
            BadInput: its objective is not plain cross-entropy.
        """
        return in_place_of_cross_entropy(stage, self.name, GeneralisedCrossEntropy(self.q))
