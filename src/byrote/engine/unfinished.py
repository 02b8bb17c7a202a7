"""A training that was stopped: all that it takes to go on with a block of models at the epoch that it had come to."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from byrote.errors import DamagedShard
from byrote.evidence.shards import read_shard, write_shard

Columns = dict[str, np.ndarray]


@runtime_checkable
class Resumable(Protocol):
    """The state of one model, or of a stack."""

    def kept(self) -> dict[str, Tensor]:
        """All that it takes to go on."""
        ...

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from there, once the phase has begun."""
        ...


@dataclass
class Stand:
    """How far a training has come: `epoch` epochs of that phase are done."""

    phase: int = 0
    epoch: int = 0


def path_of(folder: Path, model: int) -> Path:
    """Where the unfinished training of a block is kept, by its first model."""
    return folder / "unfinished" / f"m{model:05d}.safetensors"


def keep(path: Path, models: Sequence[int], state: Resumable, stand: Stand, found: Mapping[str, Columns]) -> None:
    """Write the stand in one piece, in place of an earlier one; `found` is what probes have so far, by their names."""
    columns = {f"state.{name}": _plain(tensor) for name, tensor in state.kept().items()}
    columns |= {f"probe.{probe}.{name}": array for probe, those in found.items() for name, array in those.items()}
    columns["random"] = torch.get_rng_state().numpy()
    columns["stand"] = np.array([stand.phase, stand.epoch], np.int64)
    columns["models"] = np.array(models, np.int64)
    write_shard(path, columns, {"kind": "unfinished"})


def recall(path: Path, models: Sequence[int]) -> tuple[Stand, Columns]:
    """The stand of these models that was kept, and what `restore` and `found_by` take.

    Where there is none, or it is damaged or of an earlier version, this is the beginning.
    """
    if not os.path.exists(path):
        return Stand(), {}
    try:
        columns = read_shard(path)
    except DamagedShard:
        columns = {}
    if "stand" not in columns or columns["models"].tolist() != list(models):
        path.unlink()
        return Stand(), {}
    return Stand(*columns["stand"].tolist()), columns


def restore(state: Resumable, columns: Columns) -> None:
    """Bring a state that has just begun the phase to where it was."""
    state.restore({name[6:]: torch.from_numpy(each) for name, each in columns.items() if name.startswith("state.")})
    torch.set_rng_state(torch.from_numpy(columns["random"].copy()))


def found_by(probe: str, columns: Columns) -> Columns:
    """What a probe had found."""
    prefix = f"probe.{probe}."
    return {name[len(prefix) :]: array for name, array in columns.items() if name.startswith(prefix)}


def _plain(tensor: Tensor) -> np.ndarray:
    array: np.ndarray = tensor.detach().cpu().numpy().copy()
    return array
