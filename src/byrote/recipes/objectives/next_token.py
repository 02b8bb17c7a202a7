"""Next-token prediction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor

from byrote.recipes.batch import Batch
from byrote.recipes.slots import Forward

#: A target that no loss is taken of: padding.
IGNORED = -100


@dataclass(frozen=True)
class NextToken:
    """-log p of each next token, the mean over all tokens of a batch.

    Rows of one batch hold unlike numbers of tokens; a row's loss is scaled so that the mean over the rows is the mean
    over the tokens.
    """

    once: ClassVar[bool] = True

    def memory(self, examples: int, classes: int) -> None:
        """No memory."""
        return

    def loss(self, forward: Forward, batch: Batch, memory: Tensor | None) -> tuple[Tensor, Tensor, None]:
        """`logits[model, row, token, class]` and `targets[model, row, token]` give `loss[model, row]`."""
        logits = forward(batch.inputs, train=True)
        return logits, by_token(logits, batch, batch.targets != IGNORED), None


def by_token(logits: Tensor, batch: Batch, counted: Tensor) -> Tensor:
    """-log p of the tokens that count, by row, scaled so that the mean over the rows that count is that over tokens."""
    surprise = F.cross_entropy(
        logits.flatten(0, 2), batch.targets.flatten(), reduction="none", ignore_index=IGNORED
    ).reshape(batch.targets.shape)
    if batch.mask is not None:
        counted = counted & batch.mask[:, :, None]
    tokens = counted.sum((1, 2)).clamp_min(1)
    return (surprise * counted).sum(2) * (batch.counted() / tokens)[:, None]
