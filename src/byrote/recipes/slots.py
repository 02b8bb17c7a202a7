"""What can stand in a recipe's slots. Every slot is a frozen dataclass, so that a recipe prints and compares.

Arrays have a leading model axis throughout, of length one in the plain loop.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import inspect
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor, nn


@runtime_checkable
class NetworkSlot(Protocol):
    """Builds a freshly initialised network from torch's global generator."""

    def build(self, inputs: tuple[int, ...], classes: int) -> nn.Module: ...


@runtime_checkable
class Objective(Protocol):
    """A loss by example, with a memory by example where it needs one."""

    def memory(self, examples: int, classes: int) -> Tensor | None:
        """The memory before training, one row an example; None without one."""
        ...

    def loss(self, logits: Tensor, targets: Tensor, memory: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """`logits[n, class]`, `targets[n]`, `memory[n, ...]` give `loss[n]` and the new memory rows."""
        ...


@runtime_checkable
class Augmentation(Protocol):
    """A random change of each input, made from uniform numbers of its own."""

    @property
    def draws(self) -> int: ...

    def apply(self, inputs: Tensor, uniform: Tensor) -> Tensor:
        """`inputs[n, ...]` and `uniform[n, draws]` give the changed inputs."""
        ...


@runtime_checkable
class InputPerturbation(Protocol):
    """A change of the inputs that may look at the network, which is in evaluation mode meanwhile."""

    def apply(
        self, inputs: Tensor, loss: Callable[[Tensor], Tensor], *, keys: Tensor, extent: tuple[Tensor, Tensor] | None
    ) -> Tensor:
        """`inputs[model, batch, ...]`; `loss` gives the loss `[model, batch]` of changed inputs.

        `keys[model, batch]` are for `byrote.recipes.noise`. `extent` is the range of the data, see `Shape`.
        """
        ...


@runtime_checkable
class GradientTransform(Protocol):
    """A change of the gradients between backward and the optimizer."""

    def apply(self, gradients: list[Tensor]) -> None:
        """Changes `gradients[tensor][model, ...]` in place; each model's gradient by itself."""
        ...


@runtime_checkable
class Optimizer(Protocol):
    """Builds a torch optimizer that treats every element alike, so that stacked weights are nothing new to it."""

    @property
    def lr(self) -> float: ...

    def build(self, tensors: list[Tensor]) -> torch.optim.Optimizer: ...


@runtime_checkable
class Schedule(Protocol):
    """The learning rate as a share of the optimizer's, from the share of the steps done."""

    def factor(self, done: float) -> float: ...


@runtime_checkable
class Sampler(Protocol):
    """The order of an epoch, which must be as long as the sum of the counts."""

    @property
    def repeats(self) -> bool:
        """Whether an epoch may show an example more often than its count says."""
        ...

    def order(
        self,
        seed: int,
        epoch: int,
        count: UInt8[np.ndarray, " example"],
        classes: Int[np.ndarray, " example"] | None = None,
    ) -> Int[np.ndarray, " shown"]:
        """Rows of the dataset, of those with a count; `classes` are those of examples that have one each."""
        ...


def described(slot: Any) -> Any:
    """A slot in JSON's types: its class and settings; a function by name, source and the values it closes over.

    Whatever is not byrote's own brings a digest of its source, so that an edit makes another recipe.
    """
    if dataclasses.is_dataclass(slot) and not isinstance(slot, type):
        settings = {field.name: described(getattr(slot, field.name)) for field in dataclasses.fields(slot)}
        own = type(slot).__module__.startswith("byrote.")
        return {"slot": type(slot).__name__, **({} if own else {"source": _source(type(slot))}), **settings}
    if isinstance(slot, functools.partial):
        return {"function": described(slot.func), "arguments": described([*slot.args, slot.keywords])}
    if isinstance(slot, dict):
        return {str(key): described(value) for key, value in slot.items()}
    if isinstance(slot, tuple | list):
        return [described(item) for item in slot]
    if isinstance(slot, np.generic):
        return slot.item()
    if isinstance(slot, nn.Module):
        return {"module": type(slot).__name__, "weights": _digest(slot)}
    if callable(slot):
        module, name = getattr(slot, "__module__", ""), getattr(slot, "__qualname__", type(slot).__name__)
        cells = [cell.cell_contents for cell in getattr(slot, "__closure__", None) or ()]
        held = [*cells, *(getattr(slot, "__defaults__", None) or ())]
        return {"function": f"{module}.{name}", "source": _source(slot), **({"holds": described(held)} if held else {})}
    return slot if isinstance(slot, str | int | float | bool | type(None)) else repr(slot)


def _source(thing: Any) -> str:
    try:
        return hashlib.sha256(inspect.getsource(thing).encode()).hexdigest()[:16]
    except (OSError, TypeError):  # typed into a prompt, or written in C: its name must do
        return ""


def _digest(network: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, tensor in network.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()[:16]
