"""Small pictures that a network can learn, and audits of them with a backdoor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import byrote
from byrote.changes.planting import plant
from byrote.data.dataset import Dataset
from byrote.runs.run import Run
from small import small_audit

RECIPE = byrote.Recipe(
    network=byrote.MLP(hidden=(24,)), epochs=20, batch_size=16, optimizer=byrote.SGD(lr=0.1, momentum=0.9)
)
#: It also fits labels that are wrong.
BY_ROTE = byrote.Recipe(
    network=byrote.MLP(hidden=(64,)), epochs=60, batch_size=8, optimizer=byrote.SGD(lr=0.1, momentum=0.9)
)


def drawn(count: int = 120, *, seed: int = 0, classes: int = 3) -> Dataset:
    """Pictures of 6 × 6: a bar in a place of its class, under noise; the last rows are dark."""
    rng = np.random.default_rng(seed)
    targets = np.arange(count) % classes
    inputs = 0.15 * rng.random((count, 1, 6, 6))
    inputs[np.arange(count), 0, targets, :] += 0.6 * (rng.random((count, 6)) < 0.8)
    names = tuple("abcdef"[:classes])
    ids = [f"{seed}-{row:03d}" for row in range(count)]
    return byrote.from_arrays(inputs.astype(np.float32), targets, name="bars", class_names=names, ids=ids)


def poisoned_audit(folder: Path, *plants: str, **settings: Any) -> Run:
    """An audit of them with this planted."""
    how = {"models": 24, "full": 0, "recipe": RECIPE, "heldout": drawn(45, seed=1), "checkpoints": 2, **settings}
    return small_audit(folder, dataset=plant(drawn(), *plants), **how)
