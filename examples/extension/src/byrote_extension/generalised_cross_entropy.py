"""An objective: a loss by which examples that the network contradicts pull less. It goes into a recipe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from byrote.errors import BadInput
from byrote.recipes.batch import Batch
from byrote.recipes.slots import Forward


@dataclass(frozen=True)
class GeneralisedCrossEntropy:
    """Cross-entropy for q towards 0, and 1 - p for q = 1; in between, wrong labels are learned less.

    Formula:
        loss_i = (1 - p_i^q) / q, p_i the probability of the label of i

    Source: Zhang & Sabuncu 2018, arXiv:1805.07836, eq. 6.
    Differs:
        Their truncated loss, which drops examples of a small probability, is not here.
    """

    q: float = 0.7
    task: ClassVar[str] = "classes"
    once: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0 < self.q <= 1:
            raise BadInput(
                f"The 'q' argument of GeneralisedCrossEntropy must be in (0, 1]. Got {self.q}.",
                hint="0.7 is the authors'; byrote.CrossEntropy() is the limit for q towards 0.",
            )

    def memory(self, examples: int, classes: int) -> None:
        """No memory."""
        return

    def loss(self, forward: Forward, batch: Batch, memory: Tensor | None) -> tuple[Tensor, Tensor, None]:
        """Logits `[model, batch, class]` in training mode, `loss[model, batch]`, and no memory."""
        logits = forward(batch.inputs, train=True)
        log_p = logits.log_softmax(-1).gather(-1, batch.targets[..., None])[..., 0]
        return logits, -(self.q * log_p).expm1() / self.q, None
