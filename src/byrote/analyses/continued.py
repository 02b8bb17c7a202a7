"""Trained models that go on: from weights that a run kept, on chosen examples, with parts of them held as they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from byrote.analyses.lab import data_of
from byrote.data.dataset import Dataset
from byrote.data.task import refuse_other_tasks
from byrote.engine.job import Labelled
from byrote.errors import BadInput
from byrote.evidence.kinds.weights import WEIGHTS_AT
from byrote.probes.kept_weights import MODELS
from byrote.probes.layers import layers_of
from byrote.recipes.algorithm import Algorithm, Batch, Shape, State, TrainingRecipe
from byrote.recipes.seeding import seed_generators
from byrote.results import Scalar
from byrote.runs.run import Run
from byrote.stats.intervals import Bounds
from byrote.stats.jackknife import from_replicates, jackknife

#: Examples that go through a network together.
BATCH = 256
#: What to keep of the runs that go on.
KEPT = "0,last"


@dataclass(frozen=True, eq=False)
class Continued:
    """A recipe bound to data, whose models are trained one by one on the CPU."""

    algorithm: Algorithm
    inputs: Tensor
    targets: Tensor

    @classmethod
    def on(cls, dataset: Dataset, recipe: TrainingRecipe) -> Continued:
        """The recipe on these data."""
        data = Labelled.of(dataset)
        labels = data.targets if dataset.scale.of_classes else None
        shape = Shape(inputs=dataset.inputs.shape[1:], classes=dataset.outputs, examples=len(dataset), labels=labels)
        return cls(recipe.bind(shape, torch.device("cpu")), *data.tensors(torch.device("cpu")))

    def model(self, seed: int, weights: Mapping[str, np.ndarray] | None = None) -> State:
        """A fresh model of that seed, or one with these weights and buffers."""
        with torch.random.fork_rng(devices=[]):  # `init` seeds torch's generator
            state = self.algorithm.init(seed)
        if weights is not None:
            tensors = {name: torch.from_numpy(np.array(array)) for name, array in weights.items()}
            self.algorithm.network(state).load_state_dict(tensors)
        return state

    def layers(self, state: State) -> dict[str, tuple[str, ...]]:
        """The layers of the network in the order of their calls, with their tensors."""
        network = self.algorithm.network(state).eval()
        with torch.no_grad():
            return layers_of(network, lambda: network(self.inputs[:1]))

    def train(
        self, state: State, shown: Bool[np.ndarray, " example"], *, steps: int, seed: int, rate: float = 1.0
    ) -> State:
        """Go on for so many steps, at `rate` times the recipe's learning rate and along its schedule.

        Where all weights are held, there is nothing to train.
        """
        if not any(weight.requires_grad for weight in self.algorithm.network(state).parameters()):
            return state
        with torch.random.fork_rng(devices=[]):
            seed_generators(seed)
            state = self.algorithm.begin(state, steps, rate=rate)
            done, epoch = 0, 0
            while done < steps:
                for rows, mask in self.algorithm.batches(seed, epoch, shown.astype(np.uint8))[: steps - done]:
                    ids = torch.from_numpy(rows)
                    counted = None if mask is None else torch.from_numpy(mask)
                    batch = Batch(inputs=self.inputs[ids], targets=self.targets[ids], ids=ids, mask=counted)
                    state, _ = self.algorithm.step(state, batch)
                    done += 1
                epoch += 1
        return state

    def steps(self, shown: int, epochs: int) -> int:
        """How many steps so many epochs have that show so many examples."""
        return epochs * self.algorithm.steps(shown)

    def logits(self, state: State) -> Float[np.ndarray, "example class"]:
        """Answers for all examples, in evaluation mode."""
        parts = [self.algorithm.predict(state, some).double() for some in torch.split(self.inputs, BATCH)]
        return torch.cat(parts).numpy()

    def right(self, state: State) -> Bool[np.ndarray, " example"]:
        """Which examples the model gives the label that it is trained towards."""
        return np.asarray(self.logits(state).argmax(1) == self.targets.numpy())


def hold(network: nn.Module, layers: Iterable[str], tensors: Iterable[str]) -> None:
    """Hold these layers as they are: their weights are not trained, and their modules stay in evaluation mode."""
    held, fixed = tuple(layers), {*tensors}
    for name, parameter in network.named_parameters():
        if name in fixed:
            parameter.requires_grad_(False)
    for name, module in network.named_modules():
        if any(name == layer or name.startswith(f"{layer}.") for layer in held):
            module.eval()
            module.train = _stay.__get__(module)


def _stay(module: nn.Module, mode: bool = True) -> nn.Module:
    """In place of a module's `train`: statistics of a layer that is held must not move."""
    return module


def kept(run: Run, model: int, place: int) -> dict[str, np.ndarray]:
    """The weights and buffers of a model at the first (0) or the last (-1) checkpoint that was kept."""
    return {n: array[place] for n, array in run.evidence.block(WEIGHTS_AT.name, model, run.last_phase).items()}


def of_classes(run: Run, name: str, models: int) -> tuple[Dataset, TrainingRecipe]:
    """The data and the recipe of a run, for a procedure of that name that trains so many models of classes.

    Raises:
        BadInput: they are not at hand, examples do not have one class each, or the number of models does not fit.
    """
    dataset, recipe = data_of(run, "ask")
    refuse_other_tasks(dataset.task, dataset.name, f"The procedure {name!r}")
    refuse_many(models, name)
    return dataset, recipe


def refuse_many(models: int, caller: str, *, least: int = 3) -> None:
    """Refuse fewer models than give an error, and more than weights are kept of.

    Raises:
        BadInput: so it is.
    """
    if not least <= models <= MODELS:
        raise BadInput(
            f"The 'models' argument of {caller} must be in [{least}, {MODELS}]. Got {models}.",
            hint=f"--set models={min(max(models, least), MODELS)}",
        )


def over_seeds(values: Float[np.ndarray, " model"], bounds: Bounds, *, examples: int = 0) -> Scalar:
    """The mean over models that differ in their seeds, with its jackknife error."""
    if len(values) < 3:
        return from_replicates(
            float(np.mean(values)), np.empty(0), models=len(values), examples=examples, bounds=bounds
        )
    alone: Int[np.ndarray, " model"] = np.full(len(values), -1)
    return jackknife(lambda some: float(values[some].mean()), alone, examples=examples, bounds=bounds)
