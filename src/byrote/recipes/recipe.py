"""Recipe: the survey's training algorithm A as a composition of slots, frozen and printable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor, nn

from byrote.data.task import Task
from byrote.errors import BadInput
from byrote.recipes.algorithm import Batch, Extent, Seen, Shape
from byrote.recipes.checks import check_slots, check_task, refuse_mixing, unstackable
from byrote.recipes.dropout import salt_all
from byrote.recipes.noise import Stream
from byrote.recipes.objectives.cross_entropy import CrossEntropy
from byrote.recipes.optimizers import SGD
from byrote.recipes.pooling import pool_channels_last
from byrote.recipes.samplers import Shuffle
from byrote.recipes.schedules import Cosine
from byrote.recipes.seeding import seed_generators
from byrote.recipes.single import OneModel, trainable
from byrote.recipes.slots import (
    ADDED,
    Augmentation,
    Batches,
    ExampleGradients,
    GradientTransform,
    InputPerturbation,
    Mixing,
    NetworkSlot,
    Objective,
    Optimizer,
    Rows,
    Sampler,
    Schedule,
    Steps,
    described,
)
from byrote.recipes.stacked import Stacked
from byrote.recipes.step import losses, take_step


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How one network is trained: a network, batches, and what happens to them on the way to the optimizer.

    Example:
        >>> from byrote.recipes.networks.mlp import MLP
        >>> Recipe(network=MLP(hidden=(8,)), epochs=3).epochs
        3
    """

    network: NetworkSlot
    epochs: int = 100
    batch_size: int = 32
    sampler: Sampler = field(default_factory=Shuffle)
    augmentation: Augmentation | None = None
    input_perturbation: InputPerturbation | None = None
    objective: Objective = field(default_factory=CrossEntropy)
    gradient_transform: GradientTransform | None = None
    optimizer: Optimizer = field(default_factory=SGD)
    schedule: Schedule = field(default_factory=Cosine)
    batches: Batches | None = field(default=None, metadata=ADDED)
    example_gradients: ExampleGradients | None = field(default=None, metadata=ADDED)
    mixing: Mixing | None = field(default=None, metadata=ADDED)

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise BadInput(
                    f"The {name!r} argument of Recipe must be a whole number of at least 1. Got {value!r}.",
                    hint="Recipe(…, epochs=20, batch_size=128).",
                )
        if self.mixing is not None and (self.batches is not None or self.example_gradients is not None):
            raise BadInput(
                f"The recipe mixes the examples of a batch, by {self.mixing!r}, and draws or clips them one by one.",
                hint="leave out mixing, or batches and example_gradients.",
            )
        if not hasattr(self.network, "build"):
            raise BadInput(
                f"The 'network' argument of Recipe must have a method build(inputs, classes). Got {self.network!r}.",
                hint="wrap a class or function of your own: network=byrote.Network(MyNet).",
            )

    def bind(self, shape: Shape, device: torch.device) -> BoundRecipe:
        """The algorithm for data of that shape."""
        return BoundRecipe(self, shape, device)

    def check(self, task: Task) -> None:
        """Refuse slots that hold something else than a slot's object, or that are for other targets.

        Raises:
            BadInput: one of them.
        """
        check_slots(self)
        check_task(self, task)

    def describe(self) -> dict[str, Any]:
        """Every setting by its slot, in JSON's types."""
        settings: dict[str, Any] = described(self)
        return settings


#: The state of one model, or of many that step together.
Trained = TypeVar("Trained", OneModel, Stacked)


class BoundRecipe:
    """A recipe and the shape of its data: `init`, `step` and `predict` for one model at a time."""

    def __init__(self, recipe: Recipe, shape: Shape, device: torch.device) -> None:
        self.recipe = recipe
        self.shape = shape
        self.device = device
        self.epochs = recipe.epochs
        self.batch_size = recipe.batch_size

    def build(self, seed: int) -> nn.Module:
        """The initial network of that seed, the same in every executor and on every device."""
        with torch.random.fork_rng(devices=[]):
            seed_generators(seed)
            network = self.recipe.network.build(self.shape.inputs, self.shape.classes).to(self.device)
        if self.recipe.batches is not None or self.recipe.example_gradients is not None:
            refuse_mixing(network)
        return network

    def memory(self) -> Tensor | None:
        """The objective's memory before training."""
        memory = self.recipe.objective.memory(self.shape.examples, self.shape.classes)
        return None if memory is None else memory.to(self.device)

    def init(self, seed: int) -> OneModel:
        """The initial state; also seeds torch's generator for whatever draws from it."""
        network = self.build(seed)
        seed_generators(seed)
        return self._state(network, seed, self.memory())

    def _state(self, network: nn.Module, seed: int, memory: Tensor | None) -> OneModel:
        pool_channels_last(network)
        return OneModel(
            network=network.train(),
            dropouts=salt_all(network),
            memory=memory,
            seeds=torch.tensor([seed], device=self.device),
            optimizer=self.recipe.optimizer.build(trainable(network)),
        )

    def stack(self, seeds: Sequence[int], *, compiled: bool = False) -> Stacked:
        """The initial state of many models that step together."""
        networks = [self.build(seed) for seed in seeds]
        return Stacked(networks, seeds, self.memory(), self.recipe, compiled=compiled)

    def unstack(self, state: Stacked) -> list[OneModel]:
        """The models one by one, as the plain loop would hold them; draws no random number."""
        return [self._unstacked(state, index) for index in range(len(state.seeds))]

    def _unstacked(self, state: Stacked, index: int) -> OneModel:
        seed = int(state.seeds[index])
        network = self.build(seed)
        tensors = {name: stacked[index].detach() for name, stacked in (state.weights | state.buffers).items()}
        network.load_state_dict(tensors, strict=False)
        one = self._state(network, seed, None if state.memory is None else state.memory[index].clone())
        one.total = state.total if isinstance(state.total, int) else int(state.total[index])
        return one

    def begin(self, state: Trained, steps: Steps, *, rate: float = 1.0) -> Trained:
        """A fresh optimizer and schedule over so many steps, at `rate` times the recipe's learning rate.

        Where each model of a stack has a number of steps of its own, it has an optimizer of its own, too.
        """
        state.begin(self.recipe.optimizer, steps, rate)
        return state

    def step(self, state: Trained, batch: Batch) -> tuple[Trained, Seen]:
        """One update on `batch`, which has a model axis where the state has one."""
        return state, state.without_axis(take_step(self.recipe, state, self._prepared(state, batch)))

    def losses(self, state: OneModel | Stacked, batch: Batch) -> Seen:
        """What a step would see in evaluation mode; changes nothing."""
        return state.without_axis(losses(self.recipe, state, self._prepared(state, batch)))

    def _prepared(self, state: OneModel | Stacked, batch: Batch) -> Batch:
        """With a model axis, and with what the slots of a step may ask for."""
        batch = state.with_axis(batch)
        return replace(
            batch,
            normaliser=self.normaliser,
            noise=Stream(state.seeds, state.total, batch.ids),
            extent=self._extent_of_data,
            classes=self.shape.classes,
        )

    def _extent_of_data(self) -> Extent | None:
        return self.extent

    def predict(self, state: OneModel | Stacked, inputs: Tensor) -> Tensor:
        """Logits in evaluation mode."""
        return state.answers(inputs)

    def network(self, state: OneModel) -> nn.Module:
        """The network itself."""
        return state.network

    def order(self, seed: int, epoch: int, count: UInt8[np.ndarray, " example"]) -> Int[np.ndarray, " shown"]:
        """The sampler's order of that epoch."""
        return self.recipe.sampler.order(seed, epoch, count, self.shape.labels)

    def steps(self, shown: int) -> int:
        """How many steps an epoch has that shows so many examples."""
        slot = self.recipe.batches
        return -(-shown // self.batch_size) if slot is None else slot.steps

    def batches(self, seed: int, epoch: int, count: UInt8[np.ndarray, " example"]) -> list[Rows]:
        """The rows of each step of that epoch: its order cut into batches, unless the recipe says otherwise."""
        slot = self.recipe.batches
        if slot is not None:
            return slot.between(seed, epoch * slot.steps, (epoch + 1) * slot.steps, count)
        order = self.order(seed, epoch, count)
        return [(order[start : start + self.batch_size], None) for start in range(0, len(order), self.batch_size)]

    @property
    def repeats(self) -> bool:
        """Whether an epoch may show an example more often than its count says."""
        return self.recipe.batches is not None or self.recipe.sampler.repeats

    @property
    def normaliser(self) -> float | None:
        """What the sum of a batch's losses is divided by; None for the number of its rows."""
        slot = self.recipe.batches
        return None if slot is None else float(getattr(slot, "expected", None) or self.batch_size)

    @cached_property
    def extent(self) -> Extent | None:
        """The range of the data."""
        if self.shape.extent is None:
            return None
        low, high = self.shape.extent()
        return low.to(self.device), high.to(self.device)

    @property
    def augmentation(self) -> Augmentation | None:
        """The augmentation that steps make."""
        return self.recipe.augmentation

    def why_not_stackable(self) -> str:
        """Why these models cannot be trained many at once; empty where nothing is known against it."""
        return unstackable(self.build(0))
