"""Next-token prediction."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor

from byrote.errors import BadInput
from byrote.recipes.batch import Batch
from byrote.recipes.slots import ADDED, Forward

#: A target that no loss is taken of: padding.
IGNORED = -100


@dataclass(frozen=True)
class NextToken:
    """-log p of each next token, the mean over all tokens of a batch.

    Rows of one batch hold unlike numbers of tokens; a row's loss is scaled so that the mean over the rows is the mean
    over the tokens. `label_smoothing` moves each next token towards uniform. What is *recorded* is never smoothed.

    Example:
        >>> NextToken(label_smoothing=0.1)
        NextToken(label_smoothing=0.1)
    """

    label_smoothing: float = field(default=0.0, metadata=ADDED)
    task: ClassVar[str] = "text"
    once: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0 <= self.label_smoothing < 1:
            raise BadInput(
                f"The 'label_smoothing' argument of NextToken must lie in [0, 1). Got {self.label_smoothing}.",
                hint="0 learns the tokens as they are; 0.1 is usual for smoothing.",
            )

    def memory(self, examples: int, classes: int) -> None:
        """No memory."""
        return

    def loss(self, forward: Forward, batch: Batch, memory: Tensor | None) -> tuple[Tensor, Tensor, None]:
        """`logits[model, row, token, class]` and `targets[model, row, token]` give `loss[model, row]`."""
        logits = forward(batch.inputs, train=True)
        loss = by_token(logits, batch, batch.targets != IGNORED, smoothing=self.label_smoothing)
        return logits, loss, None


def by_token(logits: Tensor, batch: Batch, counted: Tensor, *, smoothing: float = 0.0) -> Tensor:
    """-log p of the tokens that count, by row, scaled so that the mean over the rows that count is that over tokens.

    `counted[model, row, token]`; masks and weights of the batch that are by token are applied here.
    """
    surprise = F.cross_entropy(
        logits.flatten(0, 2),
        batch.targets.flatten(),
        reduction="none",
        ignore_index=IGNORED,
        label_smoothing=smoothing,
    ).reshape(batch.targets.shape)
    if batch.mask is not None:
        counted = counted & (batch.mask if batch.mask.ndim == counted.ndim else batch.mask[:, :, None])
    if batch.weights is not None and batch.weights.ndim == counted.ndim:
        surprise = surprise * batch.weights
    tokens = counted.sum((1, 2)).clamp_min(1)
    return (surprise * counted).sum(2) * (batch.counted() / tokens)[:, None]
