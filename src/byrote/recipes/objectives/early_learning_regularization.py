"""Early-learning regularization: remember each example's early predictions and hold on to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class EarlyLearningRegularization:
    r"""Cross-entropy plus strength * log(1 - <memory, prediction>).

    Formula:
        q_i <- momentum * q_i + (1 - momentum) * p_i,  then  loss_i = CE_i + strength * log(1 - <q_i, p_i>),
        p clamped to [1e-4, 1 - 1e-4] and, in q, normalised and without gradient; q starts at zero.

    Source: Liu et al. 2020, arXiv:2007.00151, eq. 6 and 9; momentum .7 and strength 3 are its CIFAR-10 settings.
    """

    momentum: float = 0.7
    strength: float = 3.0
    task: ClassVar[str] = "classes"

    def memory(self, examples: int, classes: int) -> Tensor:
        """Zeros: nothing is remembered yet."""
        return torch.zeros(examples, classes)

    def loss(self, logits: Tensor, targets: Tensor, memory: Tensor | None) -> tuple[Tensor, Tensor]:
        """`logits[n, class]`, `targets[n]`, `memory[n, class]` give `loss[n]` and the new memory rows."""
        assert memory is not None
        predicted = logits.softmax(-1).clamp(1e-4, 1 - 1e-4)
        fixed = predicted.detach()
        memory = self.momentum * memory + (1 - self.momentum) * fixed / fixed.sum(-1, keepdim=True)
        agreement = (memory * predicted).sum(-1)
        return F.cross_entropy(logits, targets, reduction="none") + self.strength * (1 - agreement).log(), memory
