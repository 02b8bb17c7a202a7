"""Signals of every example in evaluation mode at the checkpoints."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
import torch

from byrote.errors import BadInput
from byrote.evidence.kinds.trajectory import TRAJECTORY
from byrote.probes.contract import Block, Probe, Shard, When
from byrote.probes.judging import BY_CLASS, Judge
from byrote.probes.moment import Moment


class TrajectoryProbe(Probe):
    """How each example fared as training went on, members and non-members alike."""

    name: ClassVar[str] = "trajectory"
    when: ClassVar[frozenset[When]] = frozenset({"checkpoint"})
    kinds = (TRAJECTORY,)

    def __init__(self, *, judge: Judge = BY_CLASS) -> None:
        self.judge = judge

    def begin(self, block: Block) -> None:
        """Room for what is read."""
        super().begin(block)
        size = (len(block.models), len(block.epochs), len(block.inputs))
        self.signals = {name: torch.empty(size, dtype=dtype).numpy() for name, dtype in self.judge.signals.items()}

    def look(self, at: Moment) -> None:
        """Keep the signals."""
        targets, rows = at.targets.expand(len(at.logits), *at.targets.shape), at.rows.cpu().numpy()
        for name, values in self.judge.read(at.logits, targets).items():
            self.signals[name][:, at.checkpoint, rows] = values.cpu().numpy()

    def shards(self) -> Iterator[Shard]:
        """Signals `[checkpoint, example]`, and the epochs of the checkpoints."""
        epochs = np.asarray(self.block.epochs, np.int64)
        for row, model in enumerate(self.block.models):
            columns = {name: array[row] for name, array in self.signals.items()}
            yield Shard(kind=TRAJECTORY, model=model, columns={**columns, "epochs": epochs})


def log_spaced(epochs: int, points: int) -> tuple[int, ...]:
    """Up to `points` numbers of epochs done, from 0 to the last, dense at the start.

    Example:
        >>> log_spaced(100, 8)
        (0, 1, 2, 5, 10, 22, 46, 100)
        >>> log_spaced(3, 20)
        (0, 1, 2, 3)
    """
    if points < 2:
        raise BadInput(
            f"The 'checkpoints' argument must be at least 2, the start and the end. Got {points}.",
            hint="--checkpoints 20.",
        )
    if points >= epochs + 1:
        return tuple(range(epochs + 1))
    if points == 2:
        return (0, epochs)
    chosen = {0, *np.geomspace(1, epochs, points - 1).round().astype(int).tolist()}
    spare = (epoch for epoch in range(1, epochs) if epoch not in chosen)
    while len(chosen) < points:
        chosen.add(next(spare))
    return tuple(sorted(chosen))
