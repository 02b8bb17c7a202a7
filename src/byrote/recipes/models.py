"""What a step must be able to do with models, be it one or many that are stacked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import Tensor, nn

from byrote.recipes.batch import Batch, Seen
from byrote.recipes.dropout import Dropout
from byrote.recipes.noise import Stream
from byrote.recipes.slots import Slots


@dataclass(frozen=True, kw_only=True, eq=False)
class Parts:
    """Models as one network, and the stacked tensors `[model, ...]` that it computes with in place of its own."""

    skeleton: nn.Module
    dropouts: list[Dropout]
    weights: dict[str, Tensor]
    buffers: dict[str, Tensor]
    learned: list[str]


@runtime_checkable
class Models(Protocol):
    """Models that step together; every tensor has a leading model axis."""

    seeds: Tensor

    def forward(self, inputs: Tensor, stream: Stream | None, *, train: bool) -> Tensor:
        """Logits; `stream` gives the keys of dropout."""
        ...

    def backward(self, slots: Slots, batch: Batch, memory: Tensor | None) -> tuple[Seen, Tensor | None]:
        """Fill in the gradients of the total loss; also gives new rows of the memory."""
        ...

    def zero_grad(self) -> None:
        """Forget the gradients."""
        ...

    def update(self, slots: Slots, batch: Batch) -> None:
        """One update of the weights by their gradients, of every model that does not rest."""
        ...

    def gradients(self) -> dict[str, Tensor]:
        """The gradients of the weights that are learned, to be changed in place."""
        ...

    def learn_from(self, gradients: dict[str, Tensor]) -> None:
        """Take these gradients by the weight's name."""
        ...

    def parts(self) -> Parts: ...

    def recalled(self, ids: Tensor) -> Tensor | None:
        """The memory's rows of these examples."""
        ...

    def remember(self, batch: Batch, rows: Tensor) -> None:
        """Keep the new rows of the examples that count."""
        ...
