"""Symmetric cross-entropy in place of cross-entropy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from byrote.changes.change import Context
from byrote.changes.recipe.inner import in_place_of_cross_entropy
from byrote.recipes.objectives.symmetric_cross_entropy import SymmetricCrossEntropy


@dataclass(frozen=True)
class SceLoss:
    """Train by `alpha` times cross-entropy plus `beta` times its reverse, which is bounded.

    Its gradients are of another size than cross-entropy's, so the best learning rate may be another one.

    Source: Wang et al. 2019, arXiv:1908.06112.
    """

    alpha: float = 0.1
    beta: float = 1.0
    stage: ClassVar[str] = "recipe"
    name: ClassVar[str] = "sce"

    def __post_init__(self) -> None:
        SymmetricCrossEntropy(self.alpha, self.beta)  # it refuses what cannot be

    def apply(self, stage: Any, context: Context) -> Any:
        """The recipe with this objective.

        Raises:
            BadInput: its objective is not plain cross-entropy.
        """
        return in_place_of_cross_entropy(stage, self.name, SymmetricCrossEntropy(self.alpha, self.beta))
