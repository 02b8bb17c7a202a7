"""The robust log loss: a log loss whose sum over all labels is the same for every answer."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, log1p
from typing import ClassVar

from torch import Tensor

from byrote.errors import BadInput
from byrote.recipes.batch import Batch
from byrote.recipes.objectives.by_class import of_targets
from byrote.recipes.slots import Forward


@dataclass(frozen=True)
class RobustLogLoss:
    """A bounded log loss that is symmetric: summed over all labels it is the same, whatever the network answers.

    Formula:
        loss = log((1 + a) / a) - log(a + p_y) + sum over k != y of log(a + p_k) / (K - 1),
        p_k the probability of class k of K, y the label; 0 for a certain answer that is right, it goes to 0 as a grows

    Source: Kumar & Sastry 2018 (IEEE SMC, "Robust loss functions for learning multi-class classifiers"), as used for
    memorization by Patel & Sastry 2021, arXiv:2107.09957.

    Example:
        >>> RobustLogLoss(a=1.0)
        RobustLogLoss(a=1.0)
    """

    a: float = 0.1
    task: ClassVar[str] = "classes"
    once: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0 < self.a < inf:
            raise BadInput(
                f"The 'a' argument of RobustLogLoss must be above 0 and finite. Got {self.a}.",
                hint="byrote.RobustLogLoss(a=0.1) is usual.",
            )

    def memory(self, examples: int, classes: int) -> None:
        """No memory."""
        return

    def loss(self, forward: Forward, batch: Batch, memory: Tensor | None) -> tuple[Tensor, Tensor, None]:
        """Of a distribution over classes the loss is the mean of the classes' losses."""
        logits = forward(batch.inputs, train=True)
        logs = (self.a + logits.softmax(-1)).log()
        others = (logs.sum(-1, keepdim=True) - logs) / (logits.shape[-1] - 1)
        return logits, of_targets(log1p(1 / self.a) - logs + others, batch.targets), None
