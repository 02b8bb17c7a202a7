"""Cross-entropy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from byrote.errors import BadInput


@dataclass(frozen=True)
class CrossEntropy:
    """-log p of the label, or of a label smoothed towards uniform. What is *recorded* is never smoothed.

    `class_weights`, one a class, multiply the loss of its examples, for classes of few; `balanced_weights` gives those
    that make every class weigh alike. What is recorded is never weighted.
    """

    label_smoothing: float = 0.0
    class_weights: tuple[float, ...] | None = None
    task: ClassVar[str] = "classes"

    def __post_init__(self) -> None:
        if self.class_weights is not None and not all(weight > 0 for weight in self.class_weights):
            raise BadInput(
                f"The 'class_weights' argument of CrossEntropy must be above 0, one a class. Got {self.class_weights}.",
                hint="1 leaves a class as it is; leave class_weights out to weigh all alike.",
            )

    def memory(self, examples: int, classes: int) -> None:
        """No memory."""
        return

    def loss(self, logits: Tensor, targets: Tensor, memory: Tensor | None) -> tuple[Tensor, None]:
        """`logits[n, class]` and `targets[n]` give `loss[n]`."""
        loss = F.cross_entropy(logits, targets, reduction="none", label_smoothing=self.label_smoothing)
        if self.class_weights is None:
            return loss, None
        return loss * torch.tensor(self.class_weights, device=logits.device)[targets], None
