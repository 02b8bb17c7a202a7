"""Unlearning without remainder: the model is trained anew, on the rest alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from byrote.changes.change import Context, TrainedModel
from byrote.changes.model.training import train_on


@dataclass(frozen=True)
class Retrain:
    """Train from a fresh initial network for the recipe's epochs on what is to be retained: the gold, at its full cost.

    In an audit of unlearning it is the control that must pass.
    """

    stage: ClassVar[str] = "model"
    name: ClassVar[str] = "retrain"
    of_text: ClassVar[bool] = True

    def apply(self, stage: TrainedModel, context: Context) -> TrainedModel:
        """The new model."""
        algorithm = stage.algorithm
        fresh = TrainedModel(algorithm=algorithm, state=algorithm.init(int(context.rng.integers(2**31))))
        return train_on(fresh, context, context.retain, epochs=algorithm.epochs, rate=1.0, weight=1.0)
