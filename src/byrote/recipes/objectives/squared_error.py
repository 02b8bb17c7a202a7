"""Squared error: of a number, or of several."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from byrote.recipes.batch import Batch
from byrote.recipes.slots import Forward


@dataclass(frozen=True)
class SquaredError:
    """The square of what a prediction misses its target by, both centred and scaled; of several, the mean.

    Example:
        >>> SquaredError()
        SquaredError()
    """

    task: ClassVar[str] = "regression"
    once: ClassVar[bool] = True

    def memory(self, examples: int, classes: int) -> None:
        """No memory."""
        return

    def loss(self, forward: Forward, batch: Batch, memory: Tensor | None) -> tuple[Tensor, Tensor, None]:
        """`logits[model, batch, 1]` and `targets[model, batch]`, or `[model, batch, output]` both."""
        logits, targets = forward(batch.inputs, train=True), batch.targets
        if targets.ndim == logits.ndim:
            return logits, (logits - targets).square().mean(-1), None
        return logits, (logits.squeeze(-1) - targets).square(), None
