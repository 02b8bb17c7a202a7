"""What can stand in a recipe's slots. Every slot is a frozen dataclass, so that a recipe prints and compares.

Arrays have a leading model axis throughout, of length one in the plain loop.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import inspect
from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Int, UInt8
from torch import Tensor, nn

from byrote.recipes.batch import Batch, Extent

#: How many steps a phase has: of all models, or of each.
Steps = int | Sequence[int]
#: Rows of the dataset that one step shows one model, and which of them count; None where all do.
Rows = tuple[Int[np.ndarray, " batch"], Bool[np.ndarray, " batch"] | None]


@runtime_checkable
class NetworkSlot(Protocol):
    """Builds a freshly initialised network from torch's global generator."""

    def build(self, inputs: tuple[int, ...], classes: int) -> nn.Module: ...


@runtime_checkable
class Forward(Protocol):
    """The networks of a step: `inputs[model, batch, ...]` give `logits[model, batch, ...]`."""

    def __call__(self, inputs: Tensor, *, train: bool) -> Tensor:
        """`train=False` is evaluation mode: running statistics stay as they are; gradients are computed either way."""
        ...


@runtime_checkable
class Objective(Protocol):
    """A loss by example, with a memory by example where it needs one.

    `once` says that `loss` asks for the networks' answers to `batch.inputs` in training mode and for nothing else, no
    random numbers either: such a step can be compiled.
    """

    @property
    def once(self) -> bool: ...

    def memory(self, examples: int, classes: int) -> Tensor | None:
        """The memory before training, one row per example; None without one."""
        ...

    def loss(self, forward: Forward, batch: Batch, memory: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None]:
        """Logits in training mode `[model, batch, class]`, `loss[model, batch]`, and new rows of the memory.

        `memory[model, batch, ...]` are the rows of the batch's examples. An example's loss depends on its own logits
        alone, but for a factor that all examples of a batch share; weights, masks and the normaliser come after it.
        """
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
class Mixing(Protocol):
    """A random mixture of each input with another one of its batch, made from uniform numbers of its own."""

    @property
    def draws(self) -> int: ...

    def apply(self, inputs: Tensor, others: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor]:
        """`inputs[n, ...]`, `others[n, ...]`, `uniform[n, draws]` give mixtures, and the own target's share `[n]`."""
        ...


@runtime_checkable
class InputPerturbation(Protocol):
    """A change of the inputs that may look at the network, which is in evaluation mode meanwhile."""

    def apply(self, inputs: Tensor, loss: Callable[[Tensor], Tensor], *, keys: Tensor, extent: Extent | None) -> Tensor:
        """`inputs[model, batch, ...]`; `loss` gives the loss `[model, batch]` of changed inputs.

        `keys[model, batch]` are for `byrote.recipes.noise`. `extent` is the range of the data, see `Shape`.
        """
        ...


@runtime_checkable
class ExampleGradients(Protocol):
    """What each example's own gradient counts in the sum over a batch, by how long it is."""

    def factors(self, norms: Tensor) -> Tensor:
        """`norms[model, batch]`, Euclidean over all weights that are learned, give what each gradient is multiplied by.

        The gradient is that of the weighted loss of one example. Rows that do not count are left out afterwards.
        """
        ...


@runtime_checkable
class GradientTransform(Protocol):
    """A change of the gradients between backward and the optimizer."""

    def apply(self, gradients: dict[str, Tensor], batch: Batch) -> None:
        """Changes `gradients[weight][model, ...]` in place; each model's gradient by itself."""
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


@runtime_checkable
class Batches(Protocol):
    """The rows of each step, where they are not an epoch's order cut into batches of one size.

    Models may be shown unequal numbers of rows at a step. The sum of their losses is divided by the recipe's
    `batch_size`, or the slot's number `expected` where it has one, however many rows there are.
    """

    @property
    def steps(self) -> int:
        """How many steps make an epoch."""
        ...

    def between(self, seed: int, first: int, last: int, count: UInt8[np.ndarray, " example"]) -> list[Rows]:
        """Rows of the dataset, of those with a count, at each of these steps since the beginning of training."""
        ...


@runtime_checkable
class Slots(Protocol):
    """The slots that a step uses."""

    @property
    def augmentation(self) -> Augmentation | None: ...

    @property
    def mixing(self) -> Mixing | None: ...

    @property
    def input_perturbation(self) -> InputPerturbation | None: ...

    @property
    def objective(self) -> Objective: ...

    @property
    def example_gradients(self) -> ExampleGradients | None: ...

    @property
    def gradient_transform(self) -> GradientTransform | None: ...

    @property
    def optimizer(self) -> Optimizer: ...

    @property
    def schedule(self) -> Schedule: ...


#: What marks a field of a slot that recipes were recorded without, before there was one.
ADDED = {"added": True}


def described(slot: Any) -> Any:
    """A slot in JSON's types: its class and settings; a function by name, source and the values it closes over.

    Whatever is not byrote's own brings a digest of its source, so that an edit makes another recipe. A field that is
    `ADDED` to a slot is left out while it has its default: recipes that were recorded before stay what they are.
    """
    if dataclasses.is_dataclass(slot) and not isinstance(slot, type):
        settings = {
            field.name: described(getattr(slot, field.name))
            for field in dataclasses.fields(slot)
            if not (field.metadata.get("added") and getattr(slot, field.name) == field.default)
        }
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
