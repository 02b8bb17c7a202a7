"""Unlearning by forgetting: train on without the examples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from byrote.changes.change import Context, TrainedModel
from byrote.changes.model.training import train_on


@dataclass(frozen=True)
class FineTuneOnRest:
    """Train so many epochs more on what is to be retained, at the recipe's learning rate and schedule."""

    epochs: int = 10
    stage: ClassVar[str] = "model"
    name: ClassVar[str] = "fine-tune-on-rest"
    of_text: ClassVar[bool] = True

    def apply(self, stage: TrainedModel, context: Context) -> TrainedModel:
        """The model after fine-tuning."""
        return train_on(stage, context, context.retain, epochs=self.epochs, rate=1.0, weight=1.0)
