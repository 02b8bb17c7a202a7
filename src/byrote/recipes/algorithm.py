"""The contract between a recipe and the engine: three functions over a state, and what can be known beforehand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor, nn

from byrote.data.task import Task
from byrote.recipes.batch import Batch as Batch
from byrote.recipes.batch import Extent as Extent
from byrote.recipes.batch import Seen as Seen
from byrote.recipes.slots import Augmentation, Rows
from byrote.recipes.slots import Steps as Steps

#: Weights, buffers, optimizer moments, a memory by example, a second network: whatever the algorithm needs.
State = Any


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What a recipe must know of the data before it can build a network.

    `labels[example]` are for samplers that draw by class, where examples have one each. `extent()` gives the range of
    the data; it is asked only where a slot uses it, since it takes a pass over all inputs.
    """

    inputs: tuple[int, ...]
    classes: int
    examples: int
    labels: Int[np.ndarray, " example"] | None = field(default=None, compare=False, repr=False)
    extent: Callable[[], Extent] | None = field(default=None, compare=False, repr=False)


@runtime_checkable
class Algorithm(Protocol):
    """The survey's training algorithm A, bound to the shape of the data.

    `init` gives the same initial state for the same seed, whatever runs it. `begin` opens a stretch of training of
    so many steps, of all models or of each, with a fresh optimizer and schedule. `step` may change the state in place
    and returns it.
    Where `why_not_stackable` is empty, `stack` gives the state of many models, with which `begin`, `step` and `predict`
    work as well; batches, what is seen and answers then have a leading model axis.
    """

    @property
    def epochs(self) -> int: ...

    @property
    def batch_size(self) -> int: ...

    @property
    def repeats(self) -> bool:
        """Whether an epoch may show an example more often than its count says."""
        ...

    def init(self, seed: int) -> State: ...

    def begin(self, state: State, steps: Steps, *, rate: float = 1.0) -> State: ...

    def step(self, state: State, batch: Batch) -> tuple[State, Seen]: ...

    def predict(self, state: State, inputs: Tensor) -> Tensor: ...

    @property
    def augmentation(self) -> Augmentation | None:
        """The augmentation that steps make; None where they make none."""
        ...

    def network(self, state: State) -> nn.Module:
        """The network whose weights are kept on request."""
        ...

    def order(self, seed: int, epoch: int, count: UInt8[np.ndarray, " example"]) -> Int[np.ndarray, " shown"]:
        """Rows of the dataset in the order in which this epoch shows them, from how often each is shown."""
        ...

    def steps(self, shown: int) -> int:
        """How many steps an epoch has that shows so many examples."""
        ...

    def batches(self, seed: int, epoch: int, count: UInt8[np.ndarray, " example"]) -> list[Rows]:
        """The rows of each step of that epoch."""
        ...

    def why_not_stackable(self) -> str:
        """Why models of this algorithm cannot be trained many at once; empty where they can."""
        ...

    def stack(self, seeds: Sequence[int], *, compiled: bool = False) -> State:
        """The initial state of many models that step together."""
        ...

    def unstack(self, state: State) -> list[State]:
        """The states of a stack's models one by one; draws no random number."""
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

    def check(self, task: Task) -> None:
        """Refuse slots that hold something else than a slot's object, or that are for other targets.

        Raises:
            BadInput: one of them.
        """
        ...
