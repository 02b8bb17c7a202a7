"""The training of one block of models, as a person can read it: phases, epochs, steps, and who looks on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from byrote.designs.design import Phase
from byrote.probes.probe import Probe
from byrote.recipes.algorithm import Algorithm, Seen, State

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

    def step(self, inputs: Tensor, targets: Tensor, ids: Tensor) -> Seen: ...


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
    probes: Sequence[Probe],
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
    per_epoch = -(-int(each[0]) // algorithm.batch_size)
    learner.begin(max(1, epochs * per_epoch))
    for epoch in range(epochs + 1):
        if epoch in checkpoints:
            clean_pass(learner, inputs, targets, probes, checkpoint=list(checkpoints).index(epoch))
        if epoch == epochs or not each[0]:
            continue
        orders = [
            algorithm.order(seed, first_epoch + epoch, phase.count[model])
            for model, seed in zip(models, seeds, strict=True)
        ]
        order = torch.from_numpy(np.stack(orders)).to(inputs.device)
        for start in range(0, order.shape[1], algorithm.batch_size):
            ids = order[:, start : start + algorithm.batch_size]
            seen = learner.step(inputs[ids], labels[ids], ids)
            for probe in probes:
                probe.presented(ids, seen.logits, labels[ids])
        for probe in probes:
            probe.epoch_ended()
        progress((epoch + 1) / epochs)


def clean_pass(
    learner: Answering, inputs: Tensor, targets: Tensor, probes: Sequence[Probe], *, checkpoint: int
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
