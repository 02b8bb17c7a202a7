"""Binary cross-entropy: every label by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from byrote.errors import BadInput
from byrote.recipes.batch import Batch
from byrote.recipes.slots import Forward


@dataclass(frozen=True)
class BinaryCrossEntropy:
    """The sum over labels of -log p of what each is, 0 or 1: -log p of the whole set.

    `positive_weights`, one per label, multiply the loss of a label that an example has, for labels that few have.

    Example:
        >>> BinaryCrossEntropy(positive_weights=(2.0, 1.0))
        BinaryCrossEntropy(positive_weights=(2.0, 1.0))
    """

    positive_weights: tuple[float, ...] | None = None
    task: ClassVar[str] = "labels"
    once: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.positive_weights is not None and not all(weight > 0 for weight in self.positive_weights):
            raise BadInput(
                "The 'positive_weights' argument of BinaryCrossEntropy must be above 0, one per label. "
                f"Got {self.positive_weights}.",
                hint="1 leaves a label as it is; leave positive_weights out to weigh all alike.",
            )

    def memory(self, examples: int, classes: int) -> None:
        """No memory."""
        return

    def loss(self, forward: Forward, batch: Batch, memory: Tensor | None) -> tuple[Tensor, Tensor, None]:
        """`targets[model, batch, label]`."""
        logits = forward(batch.inputs, train=True)
        weights = None if self.positive_weights is None else torch.tensor(self.positive_weights, device=logits.device)
        by_label = F.binary_cross_entropy_with_logits(logits, batch.targets, pos_weight=weights, reduction="none")
        return logits, by_label.sum(-1), None
