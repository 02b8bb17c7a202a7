"""The robust log loss in place of cross-entropy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from byrote.changes.change import Context
from byrote.changes.recipe.inner import in_place_of_cross_entropy
from byrote.recipes.objectives.robust_log_loss import RobustLogLoss


@dataclass(frozen=True)
class RllLoss:
    """Train by a log loss that is bounded and symmetric: over all labels it has the same sum whatever is answered.

    Its gradients are of another size than cross-entropy's, so the best learning rate may be another one.

    Source: Kumar & Sastry 2018; Patel & Sastry 2021, arXiv:2107.09957.
    """

    a: float = 0.1
    stage: ClassVar[str] = "recipe"
    name: ClassVar[str] = "rll"

    def __post_init__(self) -> None:
        RobustLogLoss(self.a)  # it refuses what cannot be

    def apply(self, stage: Any, context: Context) -> Any:
        """The recipe with this objective.

        Raises:
            BadInput: its objective is not plain cross-entropy.
        """
        return in_place_of_cross_entropy(stage, self.name, RobustLogLoss(self.a))
