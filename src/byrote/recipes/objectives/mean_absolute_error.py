"""Mean absolute error of probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from byrote.recipes.batch import Batch
from byrote.recipes.objectives.by_class import of_targets
from byrote.recipes.slots import Forward


@dataclass(frozen=True)
class MeanAbsoluteError:
    """How far the probabilities are from the label, summed over classes; it learns slowly, also what is right.

    Formula:
        loss = sum over classes k of abs(1[k is the label] - p_k) = 2 (1 - p), p the probability of the label

    Source: Ghosh, Kumar & Sastry 2017, arXiv:1712.09482.

    Example:
        >>> MeanAbsoluteError()
        MeanAbsoluteError()
    """

    task: ClassVar[str] = "classes"
    once: ClassVar[bool] = True

    def memory(self, examples: int, classes: int) -> None:
        """No memory."""
        return

    def loss(self, forward: Forward, batch: Batch, memory: Tensor | None) -> tuple[Tensor, Tensor, None]:
        """Of a distribution over classes the loss is the mean of the classes' losses."""
        logits = forward(batch.inputs, train=True)
        by_class = -2 * logits.log_softmax(-1).expm1()
        return logits, of_targets(by_class, batch.targets), None
