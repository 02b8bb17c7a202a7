"""Early-learning regularization: remember each example's early predictions and hold on to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from byrote.recipes.batch import Batch
from byrote.recipes.objectives.by_class import cross_entropy
from byrote.recipes.slots import Forward


@dataclass(frozen=True, kw_only=True)
class EarlyLearningRegularization:
    r"""Cross-entropy plus strength * log(1 - <memory, prediction>).

    Formula:
        q_i <- momentum * q_i + (1 - momentum) * p_i,  then  loss_i = CE_i + strength * log(1 - <q_i, p_i>),
        p clamped to [1e-4, 1 - 1e-4] and, in q, normalised and without gradient; q starts at zero.

    Source: Liu et al. 2020, arXiv:2007.00151, eq. 6 and 9; momentum .7 and strength 3 are its CIFAR-10 settings.

    Example:
        >>> EarlyLearningRegularization(strength=1.0)
        EarlyLearningRegularization(momentum=0.7, strength=1.0)
    """

    momentum: float = 0.7
    strength: float = 3.0
    task: ClassVar[str] = "classes"
    once: ClassVar[bool] = True

    def memory(self, examples: int, classes: int) -> Tensor:
        """Zeros: nothing is remembered yet."""
        return torch.zeros(examples, classes)

    def loss(self, forward: Forward, batch: Batch, memory: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """`memory[model, batch, class]`."""
        assert memory is not None
        logits = forward(batch.inputs, train=True)
        predicted = logits.softmax(-1).clamp(1e-4, 1 - 1e-4)
        fixed = predicted.detach()
        memory = self.momentum * memory + (1 - self.momentum) * fixed / fixed.sum(-1, keepdim=True)
        agreement = (memory * predicted).sum(-1)
        loss = cross_entropy(logits, batch.targets) + self.strength * (1 - agreement).log()
        return logits, loss, memory
