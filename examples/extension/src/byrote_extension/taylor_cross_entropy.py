"""An objective: a loss by which examples that the network contradicts pull less. It goes into a recipe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from byrote.errors import BadInput
from byrote.recipes.batch import Batch
from byrote.recipes.objectives.by_class import of_targets
from byrote.recipes.slots import Forward


@dataclass(frozen=True)
class TaylorCrossEntropy:
    """The first terms of the series of cross-entropy, and 1 - p for one term; the fewer, the less wrong labels pull.

    Formula:
        loss_i = sum over j = 1 .. terms of (1 - p_i)^j / j, p_i the probability of the label of i

    Source: Feng et al. 2020 (IJCAI, "Can cross entropy loss be robust to label noise?").
    """

    terms: int = 2
    task: ClassVar[str] = "classes"
    once: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.terms < 1:
            raise BadInput(
                f"The 'terms' argument of TaylorCrossEntropy must be at least 1. Got {self.terms}.",
                hint="terms=2; byrote.CrossEntropy() is the limit for many terms.",
            )

    def memory(self, examples: int, classes: int) -> None:
        """No memory."""
        return

    def loss(self, forward: Forward, batch: Batch, memory: Tensor | None) -> tuple[Tensor, Tensor, None]:
        """Logits `[model, batch, class]` in training mode, `loss[model, batch]`, and no memory."""
        logits = forward(batch.inputs, train=True)
        short = -logits.log_softmax(-1).expm1()
        by_class = sum((short**term / term for term in range(2, self.terms + 1)), start=short)
        return logits, of_targets(by_class, batch.targets), None
