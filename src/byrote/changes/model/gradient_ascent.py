"""Unlearning by climbing the loss of what is to be forgotten."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from byrote.changes.change import Context, TrainedModel
from byrote.changes.model.training import train_on


@dataclass(frozen=True)
class GradientAscent:
    """Climb the loss of the examples to forget, then mend with one epoch on the rest.

    The rate is a share of the recipe's learning rate: a full one destroys the network within a few steps.
    """

    epochs: int = 10
    rate: float = 0.2
    stage: ClassVar[str] = "model"
    name: ClassVar[str] = "gradient-ascent"
    of_text: ClassVar[bool] = True

    def apply(self, stage: TrainedModel, context: Context) -> TrainedModel:
        """The model after climbing and mending."""
        climbed = train_on(stage, context, context.forget, epochs=self.epochs, rate=self.rate, weight=-1.0)
        return train_on(climbed, context, context.retain, epochs=1, rate=self.rate, weight=1.0)
