"""More training of one model, on chosen rows and with a weight on the loss."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from typing import cast

import numpy as np
import torch

from byrote.changes.change import Context, TrainedModel
from byrote.data.corpus import Corpus
from byrote.engine.packing import batch_of, packed
from byrote.recipes.algorithm import Algorithm, Batch
from byrote.recipes.recipe import BoundRecipe


def train_on(
    model: TrainedModel, context: Context, rows: np.ndarray, *, epochs: int, rate: float, weight: float
) -> TrainedModel:
    """Train on these examples or documents for so many epochs; a negative weight climbs. No rows, no change."""
    if not len(rows):
        return model
    algorithm, state = model.algorithm, model.state
    device = next(algorithm.network(state).parameters()).device
    shown = [batches(algorithm, context, context.rng.permutation(rows), device) for _ in range(epochs)]
    state = algorithm.begin(state, sum(map(len, shown)), rate=rate)
    for batch in chain.from_iterable(shown):
        weights = torch.full((len(batch.ids),), weight, device=device)
        state, _ = algorithm.step(state, replace(batch, weights=weights))
    return TrainedModel(algorithm=algorithm, state=state)


def batches(algorithm: Algorithm, context: Context, order: np.ndarray, device: torch.device) -> list[Batch]:
    """An epoch's batches of these examples in this order; of documents, packed by themselves into rows."""
    data, size = context.dataset, algorithm.batch_size
    if isinstance(data, Corpus):
        length = cast(BoundRecipe, algorithm).shape.inputs[0]  # language models are trained by a Recipe
        packs = torch.from_numpy(packed(data, order, length).astype(np.int64)).to(device)
        return [batch_of(packs[start : start + size]) for start in range(0, len(packs), size)]
    chosen = [order[start : start + size] for start in range(0, len(order), size)]
    return [
        Batch(
            inputs=torch.from_numpy(np.ascontiguousarray(data.inputs[some])).to(device),
            targets=torch.from_numpy(data.learned[some]).to(device),
            ids=torch.from_numpy(some).to(device),
        )
        for some in chosen
    ]
