"""Dropping the memory units of networks that were trained with example-tied dropout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from byrote.changes.change import Context, TrainedModel
from byrote.errors import BadInput
from byrote.recipes.dropout import ExampleTiedDropout


@dataclass(frozen=True)
class DropMemoryUnits:
    """Silence the memory units of example-tied dropout; nothing is trained.

    An `amount` below 1 reduces their outputs in evaluation mode by that share.

    Source: Maini et al. 2023, arXiv:2307.09542, section 5.
    """

    amount: float = 1.0
    stage: ClassVar[str] = "model"
    name: ClassVar[str] = "drop-memory-units"
    aimed: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not 0 < self.amount <= 1:
            raise BadInput(
                f"The 'amount' argument of drop-memory-units must be in (0, 1]. Got {self.amount}.",
                hint="drop-memory-units, without an amount, drops all of them.",
            )

    def apply(self, stage: TrainedModel, context: Context) -> TrainedModel:
        """The model without them.

        Raises:
            BadInput: its network has no example-tied dropout.
        """
        network = stage.algorithm.network(stage.state)
        layers = [module for module in network.modules() if isinstance(module, ExampleTiedDropout)]
        if not layers:
            raise BadInput(
                f"The network {type(network).__name__} has no layer of byrote.ExampleTiedDropout to drop units of.",
                hint="change the recipe, too: --with example-tied-dropout=0.2 --with drop-memory-units.",
            )
        for layer in layers:
            layer.drop(self.amount)
        return stage
