"""More training of one model, on chosen rows and with weights on their losses."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import cycle
from typing import cast

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor, nn

from byrote.changes.change import Context, TrainedModel
from byrote.data.corpus import Corpus
from byrote.engine.packing import batch_of, filled, planned
from byrote.recipes.algorithm import Algorithm, Batch
from byrote.recipes.objectives.next_token import IGNORED
from byrote.recipes.recipe import BoundRecipe

#: The weights by which the losses of a batch to forget are climbed: one by row, or of text by token.
Climb = Callable[[Batch], Tensor]


def train_on(
    model: TrainedModel, context: Context, rows: np.ndarray, *, epochs: int, rate: float, weight: float
) -> TrainedModel:
    """Train on these examples or documents for so many epochs; a negative weight climbs. No rows, no change."""
    if not len(rows):
        return model
    steps, shown = epochs_of(model, context, rows, epochs)
    made = (weighted(batch, torch.full((len(batch.ids),), weight)) for batch in shown)
    return take(model, made, rate=rate, steps=steps)


def climb_and_keep(
    model: TrainedModel, context: Context, *, epochs: int, rate: float, climb: Climb | None = None
) -> TrainedModel:
    """In each step climb the loss of a batch to forget, and descend that of as large a batch to retain.

    The loss of a step is the mean over what is retained minus the mean of `climb` times the loss over what is to be
    forgotten; without `climb` all of that counts 1. An epoch shows what is to be forgotten once.
    """
    if not len(context.forget):
        return model
    steps, shown = epochs_of(model, context, context.forget, epochs)
    kept: Iterator[Batch] = iter(())
    if len(context.retain) and isinstance(context.dataset, Corpus):
        kept = cycle(epochs_of(model, context, context.retain, 1)[1])
    elif len(context.retain):
        rows = np.resize(context.rng.permutation(context.retain), epochs * len(context.forget))
        sizes = [len(part) for part in in_batches(context.forget, model.algorithm.batch_size)] * epochs
        parts = np.split(rows, np.cumsum(sizes)[:-1])
        kept = (batch for part in parts for batch in batches(model.algorithm, context, part, device_of(model)))
    return take(model, (_beside(batch, climb, next(kept, None)) for batch in shown), rate=rate, steps=steps)


def _beside(forgotten: Batch, climb: Climb | None, kept: Batch | None) -> Batch:
    """Both batches in one, weighted so that each counts as a mean of its own."""
    weights = torch.ones(len(forgotten.ids)) if climb is None else climb(forgotten)
    if kept is None:
        return weighted(forgotten, -weights)
    sizes = [
        int((one.targets != IGNORED).sum()) if one.documents is not None else len(one.ids) for one in (forgotten, kept)
    ]
    shape = (len(kept.ids), *weights.shape[1:])
    scales = [sum(sizes) / max(size, 1) for size in sizes]
    both = torch.cat([-scales[0] * weights, torch.full(shape, scales[1], device=weights.device)])
    documents = None
    if forgotten.documents is not None and kept.documents is not None:
        documents = torch.cat([forgotten.documents, kept.documents])
    joined = replace(
        forgotten,
        inputs=torch.cat([forgotten.inputs, kept.inputs]),
        targets=torch.cat([forgotten.targets, kept.targets]),
        ids=torch.cat([forgotten.ids, kept.ids]),
        documents=documents,
    )
    return weighted(joined, both)


def take(model: TrainedModel, shown: Iterable[Batch], *, rate: float, steps: int) -> TrainedModel:
    """The model after a step on each of so many batches, at a share of the recipe's learning rate and its schedule."""
    algorithm = model.algorithm
    state = algorithm.begin(model.state, steps, rate=rate)
    for batch in shown:
        state, _ = algorithm.step(state, batch)
    return TrainedModel(algorithm=algorithm, state=state)


def weighted(batch: Batch, weights: Tensor) -> Batch:
    """The batch with weights on its losses; of text all tokens of a row get that of the row where one is given."""
    weights = weights.to(batch.inputs.device)
    if batch.documents is not None and weights.ndim == 1:
        weights = weights[:, None].expand(batch.targets.shape)
    return replace(batch, weights=weights)


def epochs_of(
    model: TrainedModel, context: Context, rows: Int[np.ndarray, " row"], epochs: int
) -> tuple[int, Iterator[Batch]]:
    """How many batches so many epochs of these rows have, and each batch as it is asked for; orders are drawn first."""
    device, algorithm = device_of(model), model.algorithm
    orders = [context.rng.permutation(rows) for _ in range(epochs)]
    if isinstance(context.dataset, Corpus):  # how documents are packed depends on their order
        whole = [batch for order in orders for batch in batches(algorithm, context, order, device)]
        return len(whole), iter(whole)
    steps = epochs * len(in_batches(rows, algorithm.batch_size))
    return steps, (
        batch
        for order in orders
        for some in in_batches(order, algorithm.batch_size)
        for batch in batches(algorithm, context, some, device)
    )


def in_batches(rows: Int[np.ndarray, " row"], size: int) -> list[Int[np.ndarray, " some"]]:
    """The rows in parts of a batch each."""
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def device_of(model: TrainedModel) -> torch.device:
    """Where its weights are."""
    return next(model.algorithm.network(model.state).parameters()).device


def as_it_is(model: TrainedModel) -> nn.Module:
    """A copy of its network, in evaluation mode, which later steps leave as it is."""
    return copy.deepcopy(model.algorithm.network(model.state)).eval().requires_grad_(requires_grad=False)


@torch.no_grad()
def log_probability(network: nn.Module, batch: Batch) -> Tensor:
    """In evaluation mode: of each label `[row]`; of text at each token that of all of its document in the row."""
    training = network.training
    log_p = network.eval()(batch.inputs).log_softmax(-1)
    network.train(training)
    counted = batch.targets != IGNORED
    found: Tensor = log_p.gather(-1, batch.targets.clamp_min(0).unsqueeze(-1)).squeeze(-1) * counted
    if batch.documents is None:
        return found
    together = batch.documents[:, :, None] == batch.documents[:, None, :]
    whole: Tensor = (together * found[:, None, :]).sum(-1)
    return whole


def batches(algorithm: Algorithm, context: Context, order: np.ndarray, device: torch.device) -> list[Batch]:
    """An epoch's batches of these examples in this order; of documents, packed by themselves into rows."""
    data, size = context.dataset, algorithm.batch_size
    if isinstance(data, Corpus):
        length = cast(BoundRecipe, algorithm).shape.inputs[0]  # language models are trained by a Recipe
        packs = (
            torch.from_numpy(one.astype(np.int64)).to(device)
            for one in filled(data, planned(data, order, length), length)
        )
        tokens, documents = packs
        cuts = range(0, len(tokens), size)
        return [batch_of(tokens[start : start + size], documents[start : start + size]) for start in cuts]
    return [
        Batch(
            inputs=torch.from_numpy(np.ascontiguousarray(data.inputs[some])).to(device),
            targets=torch.from_numpy(data.learned[some]).to(device),
            ids=torch.from_numpy(some).to(device),
        )
        for some in in_batches(order, size)
    ]
