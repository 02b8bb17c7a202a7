"""Cross-entropy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from byrote.errors import BadInput
from byrote.recipes.batch import Batch
from byrote.recipes.objectives.by_class import cross_entropy, is_distribution
from byrote.recipes.slots import Forward


@dataclass(frozen=True)
class CrossEntropy:
    """-log p of the label, or of a label smoothed towards uniform. What is *recorded* is never smoothed.

    `class_weights`, one per class, multiply the loss of its examples, for rare classes; `balanced_weights` gives those
    that make every class weigh alike. What is recorded is never weighted.

    Example:
        >>> CrossEntropy(label_smoothing=0.1)
        CrossEntropy(label_smoothing=0.1, class_weights=None)
    """

    label_smoothing: float = 0.0
    class_weights: tuple[float, ...] | None = None
    task: ClassVar[str] = "classes"
    once: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0 <= self.label_smoothing < 1:
            raise BadInput(
                f"The 'label_smoothing' argument of CrossEntropy must lie in [0, 1). Got {self.label_smoothing}.",
                hint="0 learns the labels as they are; 0.1 is usual for smoothing.",
            )
        if self.class_weights is not None and not all(weight > 0 for weight in self.class_weights):
            raise BadInput(
                f"The 'class_weights' argument of CrossEntropy must be above 0, one per class. Got "
                f"{self.class_weights}.",
                hint="1 leaves a class as it is; leave class_weights out to weigh all alike.",
            )

    def memory(self, examples: int, classes: int) -> None:
        """No memory."""
        return

    def loss(self, forward: Forward, batch: Batch, memory: Tensor | None) -> tuple[Tensor, Tensor, None]:
        """Of a distribution over classes the loss is the mean of the classes' losses."""
        logits = forward(batch.inputs, train=True)
        loss = cross_entropy(logits, batch.targets, smoothing=self.label_smoothing)
        if self.class_weights is None:
            return logits, loss, None
        weights = torch.tensor(self.class_weights, device=logits.device)
        if not is_distribution(batch.targets):
            return logits, loss * weights[batch.targets], None
        log_p = logits.log_softmax(-1)
        share = batch.targets * weights
        smooth = share.sum(-1) * log_p.mean(-1)
        return logits, -(1 - self.label_smoothing) * (share * log_p).sum(-1) - self.label_smoothing * smooth, None
