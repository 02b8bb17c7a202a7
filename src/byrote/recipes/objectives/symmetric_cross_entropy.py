"""Symmetric cross-entropy: cross-entropy and its reverse, which bounds what a wrong label costs."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import ClassVar

from torch import Tensor

from byrote.errors import BadInput
from byrote.recipes.batch import Batch
from byrote.recipes.objectives.by_class import of_targets
from byrote.recipes.slots import Forward


@dataclass(frozen=True)
class SymmetricCrossEntropy:
    """alpha times cross-entropy plus beta times the cross-entropy of the label's distribution under the network's.

    Formula:
        loss = - alpha log p - beta floor (1 - p), p the probability of the label; floor stands for the log of 0

    Source: Wang et al. 2019, arXiv:1908.06112, eq. 7; alpha .1, beta 1 and floor -4 are their CIFAR-10 settings.

    Example:
        >>> SymmetricCrossEntropy(alpha=0.5)
        SymmetricCrossEntropy(alpha=0.5, beta=1.0, floor=-4.0)
    """

    alpha: float = 0.1
    beta: float = 1.0
    floor: float = -4.0
    task: ClassVar[str] = "classes"
    once: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not (0 <= self.alpha < inf and 0 <= self.beta < inf and self.alpha + self.beta > 0):
            raise BadInput(
                "The 'alpha' and 'beta' arguments of SymmetricCrossEntropy must be at least 0, and one of them above. "
                f"Got {self.alpha} and {self.beta}.",
                hint="byrote.SymmetricCrossEntropy(alpha=0.1, beta=1.0).",
            )
        if not -inf < self.floor < 0:
            raise BadInput(
                f"The 'floor' argument of SymmetricCrossEntropy must be below 0 and finite. Got {self.floor}.",
                hint="floor=-4.0, which stands for the log of 0.",
            )

    def memory(self, examples: int, classes: int) -> None:
        """No memory."""
        return

    def loss(self, forward: Forward, batch: Batch, memory: Tensor | None) -> tuple[Tensor, Tensor, None]:
        """Of a distribution over classes the loss is the mean of the classes' losses."""
        logits = forward(batch.inputs, train=True)
        log_p = logits.log_softmax(-1)
        by_class = -self.alpha * log_p + self.beta * self.floor * log_p.expm1()
        return logits, of_targets(by_class, batch.targets), None
