"""The training of one block of models, as a person can read it: phases, epochs, steps, and who looks on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from byrote.designs.design import Phase
from byrote.probes.training_probe import TrainingProbe
from byrote.recipes.algorithm import Algorithm, Batch, Seen, State
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

    def begin(self, steps: int) -> None: ...

    def step(self, batch: Batch) -> Seen: ...


def train_phase(
    learner: Learner,
    algorithm: Algorithm,
    phase: Phase,
    models: Sequence[int],
    seeds: Sequence[int],
    inputs: Tensor,
    targets: Tensor,
    labels: Tensor,
    *,
    checkpoints: Sequence[int],
    probes: Sequence[TrainingProbe],
    progress: Callable[[float], None],
    first_epoch: int = 0,
) -> None:
    """Train the block through one phase; every model shows equally many examples an epoch.

    Steps learn `labels[example]`, which a phase may have overridden; clean passes are judged by `targets[example]`.
    `checkpoints` are numbers of epochs done; `progress` hears the share of the phase that is behind.
    """
    epochs = phase.length(algorithm.epochs)
    each = np.array([int(phase.count[model].sum()) for model in models])
    assert (each == each[0]).all(), "models of a block show equally many examples"
    learner.begin(max(1, epochs * algorithm.steps(int(each[0]))))
    for epoch in range(epochs + 1):
        if epoch in checkpoints:
            clean_pass(learner, inputs, targets, probes, checkpoint=list(checkpoints).index(epoch))
        if epoch == epochs or not each[0]:
            continue
        counts = [phase.count[model] for model in models]
        drawn = [algorithm.batches(seed, first_epoch + epoch, c) for seed, c in zip(seeds, counts, strict=True)]
        for rows in zip(*drawn, strict=True):
            ids, mask = side_by_side(rows, counts, inputs.device)
            targets_now = labels[ids]
            seen = learner.step(Batch(inputs=inputs[ids], targets=targets_now, ids=ids, mask=mask))
            for probe in probes:
                probe.presented(ids, seen.logits, targets_now, mask)
        for probe in probes:
            probe.epoch_ended()
        progress((epoch + 1) / epochs)


def clean_pass(
    learner: Answering, inputs: Tensor, targets: Tensor, probes: Sequence[TrainingProbe], *, checkpoint: int
) -> None:
    """Show every example in evaluation mode to whichever probe wants to see this checkpoint."""
    eager = [probe for probe in probes if probe.wants(checkpoint)]
    if not eager:
        return
    for start in range(0, len(inputs), CLEAN_BATCH):
        examples = slice(start, min(start + CLEAN_BATCH, len(inputs)))
        logits = learner.predict(inputs[examples])
        for probe in eager:
            probe.observed(checkpoint, examples, logits, targets[examples])


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
