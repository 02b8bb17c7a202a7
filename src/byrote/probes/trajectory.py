"""Signals of every example in evaluation mode at the checkpoints."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from byrote.errors import BadInput
from byrote.probes.judging import BY_CLASS, Judge
from byrote.probes.training_probe import TrainingProbe


class TrajectoryProbe(TrainingProbe):
    """How each example fared as training went on, members and non-members alike."""

    kind = "trajectory"

    def __init__(self, models: int, examples: int, epochs: Sequence[int], *, judge: Judge = BY_CLASS) -> None:
        self.epochs = np.asarray(epochs, np.int64)
        self.judge = judge
        size = (models, len(epochs), examples)
        self.signals = {name: torch.empty(size, dtype=dtype).numpy() for name, dtype in judge.signals.items()}

    def wants(self, checkpoint: int) -> bool:
        """All of them."""
        return True

    def observed(self, checkpoint: int, examples: slice, logits: Tensor, targets: Tensor) -> None:
        """Keep the signals."""
        for name, values in self.judge.read(logits, targets.expand(len(logits), *targets.shape)).items():
            self.signals[name][:, checkpoint, examples] = values.cpu().numpy()

    def columns(self) -> dict[str, np.ndarray]:
        """Signals `[model, checkpoint, example]`."""
        return dict(self.signals)


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
