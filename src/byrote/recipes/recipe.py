"""Recipe: the survey's training algorithm A as a composition of slots, frozen and printable."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor, nn

from byrote.errors import BadInput
from byrote.recipes import noise
from byrote.recipes.algorithm import Batch, Seen, Shape
from byrote.recipes.dropout import Dropout, salt_all
from byrote.recipes.objectives.cross_entropy import CrossEntropy
from byrote.recipes.optimizers import SGD
from byrote.recipes.samplers import Shuffle
from byrote.recipes.schedules import Cosine
from byrote.recipes.slots import (
    Augmentation,
    GradientTransform,
    InputPerturbation,
    NetworkSlot,
    Objective,
    Optimizer,
    Sampler,
    Schedule,
    described,
)


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

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise BadInput(
                    f"The {name!r} argument of Recipe must be a whole number of at least 1. Got {value!r}.",
                    hint="Recipe(…, epochs=20, batch_size=128).",
                )
        if not hasattr(self.network, "build"):
            raise BadInput(
                f"The 'network' argument of Recipe must have a method build(inputs, classes). Got {self.network!r}.",
                hint="wrap a class or function of your own: network=byrote.Network(MyNet).",
            )

    def bind(self, shape: Shape, device: torch.device) -> BoundRecipe:
        """The algorithm for data of that shape."""
        return BoundRecipe(self, shape, device)

    def describe(self) -> dict[str, Any]:
        """Every setting by its slot, in JSON's types."""
        settings: dict[str, Any] = described(self)
        return settings


@dataclass(kw_only=True, eq=False)
class OneModel:
    """The state of one model in the plain loop; `step` changes it in place."""

    network: nn.Module
    dropouts: list[Dropout]
    memory: Tensor | None
    seed: Tensor
    optimizer: torch.optim.Optimizer
    steps: int = 1
    step: int = 0
    total: int = 0
    rate: float = 1.0


class BoundRecipe:
    """A recipe and the shape of its data: `init`, `step` and `predict` for one model at a time."""

    def __init__(self, recipe: Recipe, shape: Shape, device: torch.device) -> None:
        self.recipe = recipe
        self.shape = shape
        self.device = device
        self.extent = None if shape.extent is None else (shape.extent[0].to(device), shape.extent[1].to(device))
        self.epochs = recipe.epochs
        self.batch_size = recipe.batch_size

    def build(self, seed: int) -> nn.Module:
        """The initial network of that seed, the same in every executor and on every device."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return self.recipe.network.build(self.shape.inputs, self.shape.classes).to(self.device)

    def memory(self) -> Tensor | None:
        """The objective's memory before training."""
        memory = self.recipe.objective.memory(self.shape.examples, self.shape.classes)
        return None if memory is None else memory.to(self.device)

    def init(self, seed: int) -> OneModel:
        """The initial state; also seeds torch's generator for whatever draws from it."""
        network = self.build(seed)
        torch.manual_seed(seed)
        return OneModel(
            network=network,
            dropouts=salt_all(network),
            memory=self.memory(),
            seed=torch.tensor([seed], device=self.device),
            optimizer=self.recipe.optimizer.build(trainable(network)),
        )

    def begin(self, state: OneModel, steps: int, *, rate: float = 1.0) -> OneModel:
        """A fresh optimizer and schedule over so many steps, at `rate` times the recipe's learning rate."""
        state.optimizer = self.recipe.optimizer.build(trainable(state.network))
        state.steps, state.step, state.rate = steps, 0, rate
        return state

    def step(self, state: OneModel, batch: Batch) -> tuple[OneModel, Seen]:
        """One update on `batch`."""
        recipe, network = self.recipe, state.network
        keys = noise.keys(state.seed, state.total, batch.ids[None])[0] if self.needs_noise(state.dropouts) else None
        for layer in state.dropouts:
            layer.keys = keys
        memory = None if state.memory is None else state.memory[batch.ids]
        inputs = self.augmented(batch.inputs, keys)
        if recipe.input_perturbation is not None and keys is not None:
            network.eval()
            inputs = recipe.input_perturbation.apply(
                inputs[None],
                lambda moved: recipe.objective.loss(network(moved[0]), batch.targets, memory)[0][None],
                keys=keys[None],
                extent=self.extent,
            )[0]
        logits = network.train()(inputs)
        loss, memory = recipe.objective.loss(logits, batch.targets, memory)
        state.optimizer.zero_grad()
        (loss if batch.weights is None else loss * batch.weights).mean().backward()  # type: ignore[no-untyped-call]
        if recipe.gradient_transform is not None:
            recipe.gradient_transform.apply([w.grad[None] for w in network.parameters() if w.grad is not None])
        set_rate(state.optimizer, recipe, state.step / state.steps, state.rate)
        state.optimizer.step()
        if memory is not None and state.memory is not None:
            state.memory[batch.ids] = memory
        state.step += 1
        state.total += 1
        return state, Seen(logits=logits.detach(), loss=loss.detach())

    def predict(self, state: OneModel, inputs: Tensor) -> Tensor:
        """Logits in evaluation mode."""
        with torch.no_grad():
            logits: Tensor = state.network.eval()(inputs)
        return logits

    def network(self, state: OneModel) -> nn.Module:
        """The network itself."""
        return state.network

    def order(self, seed: int, epoch: int, count: UInt8[np.ndarray, " example"]) -> Int[np.ndarray, " shown"]:
        """The sampler's order of that epoch."""
        return self.recipe.sampler.order(seed, epoch, count, self.shape.labels)

    @property
    def repeats(self) -> bool:
        """Whether an epoch may show an example more often than its count says."""
        return self.recipe.sampler.repeats

    def needs_noise(self, dropouts: list[Dropout]) -> bool:
        """Whether a step draws random numbers by example."""
        slots = (self.recipe.augmentation, self.recipe.input_perturbation)
        return bool(dropouts) or any(slot is not None for slot in slots)

    def augmented(self, inputs: Tensor, keys: Tensor | None) -> Tensor:
        """`inputs[n, ...]` after the augmentation, whose numbers come from `keys[n]`."""
        slot = self.recipe.augmentation
        if slot is None or keys is None:
            return inputs
        return slot.apply(inputs, noise.uniform(keys, slot.draws, salt=0))

    def obstacle(self) -> str:
        """Why these models cannot be trained many at once; empty where nothing is known against it."""
        network = self.build(0)
        for name, module in network.named_modules():
            if isinstance(module, nn.modules.dropout._DropoutNd | nn.modules.rnn.RNNBase):
                kind = type(module).__name__
                return f"layer {name!r} is a torch.nn.{kind}, which cannot be stacked" + (
                    " (byrote.Dropout can)" if "Dropout" in kind else ""
                )
        return ""


def trainable(network: nn.Module) -> list[Tensor]:
    """The weights that training changes."""
    return [weight for weight in network.parameters() if weight.requires_grad]


def set_rate(optimizer: torch.optim.Optimizer, recipe: Recipe, done: float, rate: float) -> None:
    """The schedule's learning rate after that share of the steps."""
    for group in optimizer.param_groups:
        group["lr"] = recipe.optimizer.lr * rate * recipe.schedule.factor(done)
