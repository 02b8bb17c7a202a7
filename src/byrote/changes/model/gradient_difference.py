"""Unlearning by climbing the loss of what is to be forgotten while descending that of the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from byrote.changes.change import Context, TrainedModel
from byrote.changes.model.training import climb_and_keep


@dataclass(frozen=True)
class GradientDifference:
    """In each step, climb the loss of a batch to forget and descend that of as large a batch of the rest.

    Formula:
        loss = mean loss over the batch to retain - mean loss over the batch to forget

    An epoch shows what is to be forgotten once; the rate is a share of the recipe's learning rate. The loss has no
    lower bound: more epochs forget more than retraining does.

    Source: Liu et al. 2022, arXiv:2203.12817.
    """

    epochs: int = 10
    rate: float = 0.2
    stage: ClassVar[str] = "model"
    name: ClassVar[str] = "gradient-difference"
    of_text: ClassVar[bool] = True

    def apply(self, stage: TrainedModel, context: Context) -> TrainedModel:
        """The model after it."""
        return climb_and_keep(stage, context, epochs=self.epochs, rate=self.rate)
