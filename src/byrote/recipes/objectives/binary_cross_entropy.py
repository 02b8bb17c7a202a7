"""Binary cross-entropy: every label by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from byrote.errors import BadInput


@dataclass(frozen=True)
class BinaryCrossEntropy:
    """The sum over labels of -log p of what each is, 0 or 1: -log p of the whole set.

    `positive_weights`, one a label, multiply the loss of a label that an example has, for labels that few have.
    """

    positive_weights: tuple[float, ...] | None = None
    task: ClassVar[str] = "labels"

    def __post_init__(self) -> None:
        if self.positive_weights is not None and not all(weight > 0 for weight in self.positive_weights):
            raise BadInput(
                "The 'positive_weights' argument of BinaryCrossEntropy must be above 0, one a label. "
                f"Got {self.positive_weights}.",
                hint="1 leaves a label as it is; leave positive_weights out to weigh all alike.",
            )

    def memory(self, examples: int, classes: int) -> None:
        """No memory."""
        return

    def loss(self, logits: Tensor, targets: Tensor, memory: Tensor | None) -> tuple[Tensor, None]:
        """`logits[n, label]` and `targets[n, label]` give `loss[n]`."""
        weights = None if self.positive_weights is None else torch.tensor(self.positive_weights, device=logits.device)
        by_label = F.binary_cross_entropy_with_logits(logits, targets, pos_weight=weights, reduction="none")
        return by_label.sum(-1), None
