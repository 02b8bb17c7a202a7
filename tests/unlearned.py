"""A trained model whose weights can be followed by hand, and what it is to forget."""

from __future__ import annotations

import numpy as np
import torch

import byrote
from byrote.changes.change import Context, TrainedModel
from byrote.changes.model.training import train_on
from byrote.data.corpus import Corpus
from byrote.data.dataset import Dataset
from byrote.recipes.algorithm import Shape
from byrote.recipes.objectives.next_token import NextToken
from byrote.recipes.recipe import Recipe
from byrote.recipes.schedules import Constant
from documents import LookUp
from small import blobs

RATE = 0.1
PLAIN = {"optimizer": byrote.SGD(lr=RATE, momentum=0.0), "schedule": Constant(), "epochs": 3}


def fitted(*, batch_size: int = 8, hidden: tuple[int, ...] = ()) -> tuple[TrainedModel, Context]:
    """A network on the blobs after three epochs, and what it is to forget: the first 8 of 60 examples."""
    data = blobs(noise=0.1)
    recipe = Recipe(network=byrote.MLP(hidden=hidden), batch_size=batch_size, **PLAIN)
    context = context_of(data, np.arange(8))
    return trained(recipe, Shape(inputs=(2,), classes=3, examples=60), context), context


def read(corpus: Corpus, forget: np.ndarray, *, length: int, batch_size: int = 2) -> tuple[TrainedModel, Context]:
    """A table of bigrams after three epochs of a corpus."""
    recipe = Recipe(network=LookUp(), objective=NextToken(), batch_size=batch_size, **PLAIN)
    context = context_of(corpus, forget)
    return trained(recipe, Shape(inputs=(length,), classes=corpus.vocabulary, examples=len(corpus)), context), context


def trained(recipe: Recipe, shape: Shape, context: Context) -> TrainedModel:
    """A model of the recipe that was trained on all."""
    algorithm = recipe.bind(shape, torch.device("cpu"))
    fresh = TrainedModel(algorithm=algorithm, state=algorithm.init(0))
    everything = np.arange(len(context.dataset))
    return train_on(fresh, context_of(context.dataset, everything), everything, epochs=3, rate=1.0, weight=1.0)


def context_of(data: Dataset | Corpus, forget: np.ndarray) -> Context:
    """What a change may look at, with the same random numbers each time."""
    retain = np.setdiff1d(np.arange(len(data)), forget)
    return Context(dataset=data, rng=np.random.default_rng(0), forget=forget, retain=retain)


def weights(model: TrainedModel) -> dict[str, np.ndarray]:
    """Its weights, as they are now."""
    network = model.algorithm.network(model.state)
    return {name: one.detach().numpy().copy() for name, one in network.named_parameters()}


def loss_on(model: TrainedModel, context: Context, rows: np.ndarray) -> float:
    """The mean loss of examples in evaluation mode."""
    data = context.dataset
    logits = model.algorithm.predict(model.state, torch.tensor(data.inputs[rows]))
    return float(torch.nn.functional.cross_entropy(logits, torch.tensor(data.targets[rows])))


def gradients(model: TrainedModel, context: Context, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Of the mean loss of examples."""
    network = model.algorithm.network(model.state)
    data = context.dataset
    logits = network(torch.tensor(data.inputs[rows]))
    loss = torch.nn.functional.cross_entropy(logits, torch.tensor(data.targets[rows]))
    named = dict(network.named_parameters())
    return {name: one.numpy() for name, one in zip(named, torch.autograd.grad(loss, list(named.values())), strict=True)}
