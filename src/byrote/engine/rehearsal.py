"""What models are shown when both executors are tried out, before any of them is trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from byrote.recipes.algorithm import Batch, Steps


@dataclass(frozen=True, kw_only=True, eq=False)
class Rehearsal:
    """A few steps of a training, and how long the whole is.

    `step(number)` gives a batch `[1, batch, ...]`; steps go on for ever. `some[batch, ...]` are inputs of a clean pass,
    of which a training makes `passes`, beside its `steps`. `apart` says that each model has a number of steps of its
    own.
    """

    step: Callable[[int], Batch]
    some: Tensor
    steps: int
    passes: float
    apart: bool = False

    def batch(self, number: int, models: int) -> Batch:
        """What a step shows, all models on the same rows; made anew each time, as memory may hold no more than one."""
        return tiled(self.step(number), models)

    def batches(self, models: int, steps: int) -> list[Batch]:
        """The first steps, all models on the same rows."""
        return [self.batch(number, models) for number in range(steps)]

    def length(self, models: int, steps: int) -> Steps:
        """What a learner of so many models is told of a stretch of so many steps."""
        return [steps] * models if self.apart and models > 1 else steps


def tiled(batch: Batch, models: int) -> Batch:
    """The rows of one model for several."""
    return _each(batch, lambda rows: rows.expand(models, *rows.shape[1:]).contiguous())


def of_model(batch: Batch, model: int) -> Batch:
    """The rows of one of several models, with its axis."""
    return _each(batch, lambda rows: rows[model : model + 1])


def reordered(batch: Batch, order: int) -> Batch:
    """The rows `[model, batch, ...]` in another order, the same for all models."""
    shuffled = torch.randperm(batch.ids.shape[1], generator=torch.Generator().manual_seed(order)).to(batch.ids.device)
    return _each(batch, lambda rows: rows[:, shuffled])


def _each(batch: Batch, change: Callable[[Tensor], Tensor]) -> Batch:
    documents = None if batch.documents is None else change(batch.documents)
    inputs, targets, ids = (change(rows) for rows in (batch.inputs, batch.targets, batch.ids))
    return replace(batch, inputs=inputs, targets=targets, ids=ids, documents=documents)
