"""More training of one model, on chosen rows and with a weight on the loss."""

from __future__ import annotations

import numpy as np
import torch

from byrote.changes.change import Context, TrainedModel
from byrote.data.dataset import Dataset
from byrote.recipes.algorithm import Batch


def train_on(
    model: TrainedModel, context: Context, rows: np.ndarray, *, epochs: int, rate: float, weight: float
) -> TrainedModel:
    """Train on these rows of the dataset for so many epochs; a negative weight climbs. No rows, no change."""
    if not len(rows):
        return model
    dataset, algorithm, state = context.dataset, model.algorithm, model.state
    assert isinstance(dataset, Dataset), "language models are changed by data and recipe only"
    learned = dataset.learned
    device = next(algorithm.network(state).parameters()).device
    size = algorithm.batch_size
    state = algorithm.begin(state, epochs * -(-len(rows) // size), rate=rate)
    for _ in range(epochs):
        order = context.rng.permutation(rows)
        for start in range(0, len(order), size):
            chosen = order[start : start + size]
            inputs = torch.from_numpy(np.ascontiguousarray(dataset.inputs[chosen])).to(device)
            targets = torch.from_numpy(learned[chosen]).to(device)
            ids = torch.from_numpy(chosen).to(device)
            weights = torch.full((len(chosen),), weight, device=device)
            state, _ = algorithm.step(state, Batch(inputs=inputs, targets=targets, ids=ids, weights=weights))
    return TrainedModel(algorithm=algorithm, state=state)
