"""The training of one block of models, as a person can read it: phases, epochs, steps, and who looks on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from byrote.designs.design import Phase
from byrote.recipes.algorithm import Algorithm, Batch, Seen, State, Steps
from byrote.recipes.slots import Rows

#: Examples of one clean pass that go through a block together; more would leave the caches of a CPU.
CLEAN_BATCH = 256


@runtime_checkable
class Answering(Protocol):
    """Models that can be asked: `inputs[batch, ...]` give `logits[model, batch, class]`."""

    def predict(self, inputs: Tensor) -> Tensor: ...

    def states(self) -> list[State]: ...


@runtime_checkable
class Learner(Answering, Protocol):
    """Models that can be trained, one or many: everything has a leading model axis."""

    def begin(self, steps: Steps) -> None: ...

    def step(self, batch: Batch) -> Seen: ...


@runtime_checkable
class Shown(Protocol):
    """What the models of a block are shown in one phase, epoch by epoch."""

    @property
    def epochs(self) -> int: ...

    @property
    def steps(self) -> Steps:
        """How many steps the phase has."""
        ...

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """The batches of an epoch of this phase, with a leading model axis."""
        ...


@runtime_checkable
class Onlooker(Protocol):
    """Sees a training."""

    def checkpoint(self, number: int) -> None:
        """The models have come to that checkpoint."""
        ...

    def stepped(self, batch: Batch, seen: Seen) -> None:
        """A step was made on a batch."""
        ...

    def epoch_ended(self, done: int) -> None:
        """So many epochs of the phase are done."""
        ...


def train(learner: Learner, shown: Shown, onlooker: Onlooker, *, checkpoints: Sequence[int], start: int = 0) -> None:
    """Train models that have begun a phase, from its epoch `start`: every training of byrote's own.

    `checkpoints` are numbers of epochs done.
    """
    for epoch in range(start, shown.epochs + 1):
        if epoch in checkpoints:
            onlooker.checkpoint(list(checkpoints).index(epoch))
        if epoch == shown.epochs:
            return
        for batch in shown.epoch(epoch):
            onlooker.stepped(batch, learner.step(batch))
        onlooker.epoch_ended(epoch + 1)


def train_phase(
    learner: Learner,
    algorithm: Algorithm,
    phase: Phase,
    models: Sequence[int],
    seeds: Sequence[int],
    inputs: Tensor,
    labels: Tensor,
    onlooker: Onlooker,
    *,
    checkpoints: Sequence[int],
    first_epoch: int = 0,
) -> None:
    """Train the block on examples through one phase; every model shows equally many of them an epoch.

    Steps learn `labels[example]`, which a phase may have overridden. `checkpoints` are numbers of epochs done.
    """
    counts = [phase.count[model] for model in models]
    shown = Examples(algorithm, phase.length(algorithm.epochs), seeds, counts, inputs, labels, first_epoch)
    learner.begin(shown.steps)
    train(learner, shown, onlooker, checkpoints=checkpoints)


class Examples:
    """Examples that are shown in batches, each model its own."""

    def __init__(
        self,
        algorithm: Algorithm,
        epochs: int,
        seeds: Sequence[int],
        counts: Sequence[UInt8[np.ndarray, " example"]],
        inputs: Tensor,
        labels: Tensor,
        first_epoch: int,
    ) -> None:
        self.algorithm, self.epochs, self.seeds, self.counts = algorithm, epochs, seeds, counts
        self.inputs, self.labels, self.first_epoch = inputs, labels, first_epoch
        each = [int(count.sum()) for count in counts]
        assert len(set(each)) == 1, "models of a block show equally many examples"
        self.each = each[0]
        self.place: Tensor | None = None

    @property
    def steps(self) -> int:
        """Of every model."""
        return max(1, self.epochs * self.algorithm.steps(self.each))

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """The rows that the recipe draws."""
        if not self.each:
            return
        now = self.first_epoch + epoch
        drawn = [self.algorithm.batches(seed, now, c) for seed, c in zip(self.seeds, self.counts, strict=True)]
        sizes = [[len(rows) for rows, mask in each if mask is None] for each in drawn]
        if all(each == sizes[0] and len(each) == len(drawn[0]) for each in sizes) and all(sizes[0]):
            whole = np.stack([np.concatenate([rows for rows, _ in each]) for each in drawn])
            shown = torch.from_numpy(whole).to(self.inputs.device)
            steps = zip(*(torch.split(rows, sizes[0], 1) for rows in (shown, self.labels[shown])), strict=True)
            for ids, targets in steps:
                yield Batch(inputs=self._taken(ids), targets=targets, ids=ids)
            return
        for rows in zip(*drawn, strict=True):
            ids, mask = side_by_side(rows, self.counts, self.inputs.device)
            yield Batch(inputs=self._taken(ids), targets=self.labels[ids], ids=ids, mask=mask)

    def _taken(self, ids: Tensor) -> Tensor:
        """The inputs of these examples, in the place of the batch before, which nobody reads any more.

        Batches that are made anew leave holes in memory that the next ones do not fit into.
        """
        shape = (*ids.shape, *self.inputs.shape[1:])
        if self.place is None or self.place.shape != shape:
            self.place = self.inputs.new_empty(shape)
        torch.index_select(self.inputs, 0, ids.flatten(), out=self.place.view(-1, *shape[2:]))
        return self.place


def side_by_side(
    rows: Sequence[Rows], counts: Sequence[UInt8[np.ndarray, " example"]], device: torch.device
) -> tuple[Tensor, Tensor | None]:
    """The rows of one step by model, `ids[model, batch]`, and `mask[model, batch]` where some of them do not count.

    A model with fewer rows than another is given one of its own examples over again, which does not count.
    """
    width = max(1, *(len(each) for each, _ in rows))
    if all(mask is None and len(each) == width for each, mask in rows):
        return torch.from_numpy(np.stack([each for each, _ in rows])).to(device), None
    ids = np.empty((len(rows), width), np.int64)
    counted = np.zeros((len(rows), width), bool)
    for model, (each, mask) in enumerate(rows):
        ids[model] = counts[model].argmax()
        ids[model, : len(each)] = each
        counted[model, : len(each)] = True if mask is None else mask
    return torch.from_numpy(ids).to(device), torch.from_numpy(counted).to(device)
