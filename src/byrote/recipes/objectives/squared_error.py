"""Squared error: of a number, or of several."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor


@dataclass(frozen=True)
class SquaredError:
    """The square of what a prediction misses its target by, both centred and scaled; of several, the mean."""

    task: ClassVar[str] = "regression"

    def memory(self, examples: int, classes: int) -> None:
        """No memory."""
        return

    def loss(self, logits: Tensor, targets: Tensor, memory: Tensor | None) -> tuple[Tensor, None]:
        """`logits[n, 1]` and `targets[n]`, or `[n, output]` both, give `loss[n]`."""
        if targets.ndim == logits.ndim:
            return (logits - targets).square().mean(-1), None
        return (logits.squeeze(-1) - targets).square(), None
