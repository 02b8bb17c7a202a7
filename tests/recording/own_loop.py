"""A training loop of somebody's own, with a recorder. Importable by programs that tests write."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader

import byrote
from byrote.recording.recorder import Recorder
from byrote.runs.run import Run
from small import RECIPE, blobs

DATA = blobs(40, noise=0.2)


def net() -> nn.Module:
    """Two layers."""
    return nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 3))


OWN = dataclasses.replace(RECIPE, network=byrote.Network(net))


def recorded(
    out: Path,
    *,
    model: int = 0,
    epochs: int = 3,
    passes: Sequence[int] = (0, 1, 2, 3),
    at: str | None = "checkpoints",
    ids: Sequence[str] | None = None,
) -> Run | None:
    """A loop of somebody's own on every example, with a clean pass after some of its epochs."""
    torch.manual_seed(model)
    network, inputs = net(), torch.from_numpy(np.array(DATA.inputs))
    targets = torch.from_numpy(DATA.targets.astype(np.int64))
    optimizer = torch.optim.Adam(network.parameters(), lr=0.05)
    loader = DataLoader(list(zip(inputs, targets, range(len(DATA)), strict=True)), batch_size=16)
    recorder = Recorder(out, examples=len(DATA), model=model, ids=ids, keep_weights_at=at, class_names=DATA.class_names)
    for epoch in range(epochs + 1):
        if epoch in passes:
            recorder.clean_pass(network, loader)
        if epoch == epochs:
            return recorder.close()
        for x, y, ids in loader:
            logits = network(x)
            recorder.observe(ids, logits, y)
            optimizer.zero_grad()
            F.cross_entropy(logits, y).backward()
            optimizer.step()
        recorder.epoch_end()
    return None
