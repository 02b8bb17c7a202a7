"""The focal loss: examples that the network has learned pull less."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import ClassVar

import torch
from torch import Tensor

from byrote.errors import BadInput
from byrote.recipes.batch import Batch
from byrote.recipes.objectives.by_class import of_targets
from byrote.recipes.slots import Forward


@dataclass(frozen=True)
class Focal:
    """Cross-entropy times a power of what the probability of the label is short of 1.

    It turns to what is not learned yet, wrong labels among it: it is no loss against wrong labels.

    Formula:
        loss = - (1 - p)^gamma log p, p the probability of the label

    Source: Lin et al. 2017, arXiv:1708.02002, eq. 4, gamma 2.
    Differs:
        Their weights of classes, eq. 5, are not here.

    Example:
        >>> Focal(gamma=1.0)
        Focal(gamma=1.0)
    """

    gamma: float = 2.0
    task: ClassVar[str] = "classes"
    once: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0 <= self.gamma < inf:
            raise BadInput(
                f"The 'gamma' argument of Focal must be at least 0 and finite. Got {self.gamma}.",
                hint="2.0 is the authors'; 0 is cross-entropy.",
            )

    def memory(self, examples: int, classes: int) -> None:
        """No memory."""
        return

    def loss(self, forward: Forward, batch: Batch, memory: Tensor | None) -> tuple[Tensor, Tensor, None]:
        """Of a distribution over classes the loss is the mean of the classes' losses."""
        logits = forward(batch.inputs, train=True)
        log_p = logits.log_softmax(-1)
        short = (-log_p.expm1()).clamp_min(torch.finfo(logits.dtype).tiny)  # the slope of a power at 0 is infinite
        return logits, of_targets(-(short**self.gamma) * log_p, batch.targets), None
