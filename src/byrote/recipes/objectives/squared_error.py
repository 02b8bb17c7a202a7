"""Squared error: of a number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor


@dataclass(frozen=True)
class SquaredError:
    """The square of what a prediction misses its target by, both centred and scaled."""

    task: ClassVar[str] = "regression"

    def memory(self, examples: int, classes: int) -> None:
        """No memory."""
        return

    def loss(self, logits: Tensor, targets: Tensor, memory: Tensor | None) -> tuple[Tensor, None]:
        """`logits[n, 1]` and `targets[n]` give `loss[n]`."""
        return (logits.squeeze(-1) - targets).square(), None
