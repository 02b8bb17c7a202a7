"""Next-token prediction."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

#: A target that no loss is taken of: padding.
IGNORED = -100


@dataclass(frozen=True)
class NextToken:
    """-log p of each next token, the mean over all tokens of a batch.

    Rows of one batch hold unlike numbers of tokens; a row's loss is scaled so that the mean over the rows is the mean
    over the tokens.
    """

    def memory(self, examples: int, classes: int) -> None:
        """No memory."""
        return

    def loss(self, logits: Tensor, targets: Tensor, memory: Tensor | None) -> tuple[Tensor, None]:
        """`logits[row, token, class]` and `targets[row, token]` give `loss[row]`."""
        surprise = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none", ignore_index=IGNORED)
        counted = (targets != IGNORED).sum().clamp_min(1)
        return surprise.reshape(targets.shape).sum(1) * (len(targets) / counted), None
