"""Cross-entropy."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class CrossEntropy:
    """-log p of the label, or of a label smoothed towards uniform. What is *recorded* is never smoothed."""

    label_smoothing: float = 0.0

    def memory(self, examples: int, classes: int) -> None:
        """No memory."""
        return

    def loss(self, logits: Tensor, targets: Tensor, memory: Tensor | None) -> tuple[Tensor, None]:
        """`logits[n, class]` and `targets[n]` give `loss[n]`."""
        return F.cross_entropy(logits, targets, reduction="none", label_smoothing=self.label_smoothing), None
