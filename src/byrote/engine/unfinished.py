"""A training that was stopped: all that it takes to go on with a single model at the epoch that it had come to."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from byrote.errors import DamagedShard
from byrote.evidence.shards import read_shard, write_shard
from byrote.recipes.single import OneModel

#: The clean readings that a phase has made so far, each by columns.
Readings = list[dict[str, np.ndarray]]


@dataclass
class Stand:
    """How far a training has come: `epoch` epochs of that phase are done."""

    phase: int = 0
    epoch: int = 0
    readings: Readings = field(default_factory=list)


def path_of(folder: Path, model: int) -> Path:
    """Where a model's unfinished training is kept."""
    return folder / "unfinished" / f"m{model:05d}.safetensors"


def keep(path: Path, state: OneModel, stand: Stand) -> None:
    """Write the stand in one piece, in place of an earlier one."""
    columns = {f"network.{name}": _plain(tensor) for name, tensor in state.network.state_dict().items()}
    columns |= {f"optimizer.{key}": _plain(tensor) for key, tensor in _moments(state.optimizer).items()}
    if state.memory is not None:
        columns["memory"] = _plain(state.memory)
    columns["random"] = torch.get_rng_state().numpy()
    columns["counters"] = np.array([stand.phase, stand.epoch, state.steps, state.step, state.total], np.int64)
    for number, reading in enumerate(stand.readings):
        columns |= {f"reading.{number}.{name}": array for name, array in reading.items()}
    write_shard(path, columns, {"kind": "unfinished"})


def recall(path: Path) -> tuple[Stand, dict[str, np.ndarray]]:
    """The stand that was kept, and what `restore` takes; the beginning where there is none or it is damaged."""
    if not path.exists():
        return Stand(), {}
    try:
        columns = read_shard(path)
    except DamagedShard:
        path.unlink()
        return Stand(), {}
    readings: Readings = []
    for name in sorted(columns, key=lambda key: key.split(".")[:2]):
        if name.startswith("reading."):
            _, number, column = name.split(".")
            while len(readings) <= int(number):
                readings.append({})
            readings[int(number)][column] = columns[name]
    return Stand(int(columns["counters"][0]), int(columns["counters"][1]), readings), columns


def restore(state: OneModel, columns: dict[str, np.ndarray]) -> None:
    """Bring a state that has just begun the phase to where it was."""
    weights = {name[8:]: torch.from_numpy(array) for name, array in columns.items() if name.startswith("network.")}
    state.network.load_state_dict(weights)
    weights_in_order = [weight for group in state.optimizer.param_groups for weight in group["params"]]
    for name, array in columns.items():
        if name.startswith("optimizer."):
            _, number, key = name.split(".", 2)
            weight = weights_in_order[int(number)]
            device = weight.device if key != "step" or _fused(state.optimizer) else "cpu"
            state.optimizer.state[weight][key] = torch.from_numpy(array.copy()).to(device)
    if state.memory is not None:
        state.memory.copy_(torch.from_numpy(columns["memory"]))
    torch.set_rng_state(torch.from_numpy(columns["random"].copy()))
    _, _, state.steps, state.step, state.total = columns["counters"].tolist()


def _moments(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    return {
        f"{number}.{key}": value
        for number, weight in enumerate(weights)
        for key, value in optimizer.state[weight].items()
        if isinstance(value, Tensor)
    }


def _fused(optimizer: torch.optim.Optimizer) -> bool:
    return bool(optimizer.param_groups[0].get("fused"))


def _plain(tensor: Tensor) -> np.ndarray:
    array: np.ndarray = tensor.detach().cpu().numpy().copy()
    return array
