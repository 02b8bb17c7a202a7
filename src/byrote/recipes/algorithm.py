"""The contract between a recipe and the engine: three functions over a state, and what can be known beforehand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor, nn

#: Weights, buffers, optimizer moments, a memory by example, a second network: whatever the algorithm needs.
State = Any


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What a recipe must know of the data before it can build a network.

    `labels[example]` are for samplers that draw by class, where examples have one each. `extent` holds the smallest
    and the largest value of each feature of a row, or of each channel of an image, shaped to broadcast over inputs.
    """

    inputs: tuple[int, ...]
    classes: int
    examples: int
    labels: Int[np.ndarray, " example"] | None = field(default=None, compare=False, repr=False)
    extent: tuple[Tensor, Tensor] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What one step sees.

    `inputs[batch, ...]`, `targets[batch]`, `ids[batch]` (rows of the dataset). `weights[batch]` multiplies the
    loss; None means 1 for all, and a negative weight makes the step climb.
    """

    inputs: Tensor
    targets: Tensor
    ids: Tensor
    weights: Tensor | None = None


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a step saw before its update, in training mode: `logits[batch, class]` and `loss[batch]`."""

    logits: Tensor
    loss: Tensor


@runtime_checkable
class Algorithm(Protocol):
    """The survey's training algorithm A, bound to the shape of the data.

    `init` gives the same initial state for the same seed, whatever runs it. `begin` opens a stretch of training of
    so many steps with a fresh optimizer and schedule. `step` may change the state in place and returns it.
    """

    @property
    def epochs(self) -> int: ...

    @property
    def batch_size(self) -> int: ...

    def init(self, seed: int) -> State: ...

    def begin(self, state: State, steps: int, *, rate: float = 1.0) -> State: ...

    def step(self, state: State, batch: Batch) -> tuple[State, Seen]: ...

    def predict(self, state: State, inputs: Tensor) -> Tensor: ...

    def network(self, state: State) -> nn.Module:
        """The network whose weights are kept on request."""
        ...

    def order(self, seed: int, epoch: int, count: Any) -> Any:
        """Rows of the dataset in the order in which this epoch shows them, from how often each is shown."""
        ...

    def obstacle(self) -> str:
        """Why models of this algorithm cannot be trained many at once; empty where they can."""
        ...


@runtime_checkable
class TrainingRecipe(Protocol):
    """A frozen description that becomes an algorithm once the shape of the data is known."""

    @property
    def epochs(self) -> int: ...

    @property
    def batch_size(self) -> int: ...

    def bind(self, shape: Shape, device: torch.device) -> Algorithm: ...

    def describe(self) -> dict[str, Any]:
        """Every setting by its slot, in JSON's types; a resume compares it."""
        ...
