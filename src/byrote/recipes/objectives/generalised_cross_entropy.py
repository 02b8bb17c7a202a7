"""Generalised cross-entropy: what the network contradicts pulls less than by cross-entropy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from byrote.errors import BadInput
from byrote.recipes.batch import Batch
from byrote.recipes.objectives.by_class import of_targets
from byrote.recipes.slots import Forward


@dataclass(frozen=True)
class GeneralisedCrossEntropy:
    """Cross-entropy for q towards 0, half the absolute error for q = 1; the larger q, the less wrong labels pull.

    Formula:
        loss = (1 - p^q) / q, p the probability of the label

    Source: Zhang & Sabuncu 2018, arXiv:1805.07836, eq. 6; q = .7 is the authors'.
    Differs:
        Their truncated loss, which leaves out examples of a small probability, is not here.

    Example:
        >>> GeneralisedCrossEntropy(q=0.5)
        GeneralisedCrossEntropy(q=0.5)
    """

    q: float = 0.7
    task: ClassVar[str] = "classes"
    once: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0 < self.q <= 1:
            raise BadInput(
                f"The 'q' argument of GeneralisedCrossEntropy must lie in (0, 1]. Got {self.q}.",
                hint="0.7 is the authors'; byrote.CrossEntropy() is the limit for q towards 0.",
            )

    def memory(self, examples: int, classes: int) -> None:
        """No memory."""
        return

    def loss(self, forward: Forward, batch: Batch, memory: Tensor | None) -> tuple[Tensor, Tensor, None]:
        """Of a distribution over classes the loss is the mean of the classes' losses."""
        logits = forward(batch.inputs, train=True)
        by_class = -(self.q * logits.log_softmax(-1)).expm1() / self.q
        return logits, of_targets(by_class, batch.targets), None
