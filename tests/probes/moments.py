"""Moments of small networks, as the training loop would make them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from byrote.probes.contract import Block, Probe, When
from byrote.probes.moment import Models, Moment
from engine.toys import bound


def watched(
    probe: Probe,
    networks: Sequence[Callable[[], Sequence[nn.Module]]],
    inputs: Tensor,
    targets: Tensor,
    *,
    stacked: bool = False,
    batch: int = 256,
    classes: int = 3,
    task: str = "classes",
) -> list[dict[str, np.ndarray]]:
    """What the probe finds of each model, shown the networks of each checkpoint in batches of so many examples."""
    models = len(networks[0]())
    block = Block(
        models=tuple(range(models)),
        seeds=tuple(range(models)),
        phase=0,
        epochs=tuple(range(0, 2 * len(networks), 2)),
        inputs=inputs,
        targets=targets,
        member=torch.ones(models, len(inputs), dtype=torch.int8),
        classes=classes,
        task=task,
        algorithm=bound("mlp"),
    )
    probe.begin(block)
    for checkpoint, made in enumerate(networks):
        shown = Models(made, stacked=stacked)
        for start in range(0, len(inputs), batch):
            rows = torch.arange(start, min(start + batch, len(inputs)))
            at = Moment(
                "checkpoint",
                shown,
                block.task,
                rows=rows,
                inputs=lambda rows=rows: inputs[rows],
                targets=targets[rows],
                checkpoint=checkpoint,
                epoch=block.epochs[checkpoint],
                first=start == 0,
            )
            probe.look(at)
        shown.leave()
    return [dict(shard.columns) for shard in probe.shards()]


def block_of(models: int, examples: int, *, classes: int = 3, epochs: Sequence[int] = (0,), **fields: Any) -> Block:
    """A block of models that nobody trains, every one of them on all examples."""
    usual: dict[str, Any] = {
        "models": tuple(range(models)),
        "seeds": tuple(range(models)),
        "phase": 0,
        "epochs": tuple(epochs),
        "inputs": torch.zeros(examples, 1),
        "targets": torch.zeros(examples, dtype=torch.int64),
        "member": torch.ones(models, examples, dtype=torch.int8),
        "classes": classes,
        "task": "classes",
        "algorithm": None,
    }
    return Block(**{**usual, **fields})


def told(when: When, rows: Tensor, logits: Tensor, targets: Tensor, **fields: Any) -> Moment:
    """A moment of which logits and targets are known, and no models."""
    models = Models(list, stacked=False)
    return Moment(
        when, models, "classes", rows=rows, inputs=lambda: rows, targets=targets, logits=lambda: logits, **fields
    )


def columns_of(probe: Probe) -> dict[str, np.ndarray]:
    """What a probe found, with the axis of the models first."""
    shards = [*probe.shards()]
    return {name: np.stack([shard.columns[name] for shard in shards]) for name in shards[0].columns}


def small(seed: int, shape: tuple[int, ...] = (6,), classes: int = 3) -> nn.Module:
    """A network with a kink, by its seed."""
    torch.manual_seed(seed)
    width = int(np.prod(shape))
    return nn.Sequential(nn.Flatten(), nn.Linear(width, 12), nn.ReLU(), nn.Linear(12, classes))


def few(examples: int = 11, shape: tuple[int, ...] = (6,), classes: int = 3) -> tuple[Tensor, Tensor]:
    """Inputs and targets."""
    generator = torch.Generator().manual_seed(3)
    return torch.randn(examples, *shape, generator=generator), torch.arange(examples) % classes


def one_by_one(network: nn.Module, inputs: Tensor, targets: Tensor, value: Callable[[Tensor, int], Tensor]) -> Tensor:
    """Input gradients of a value of each example, each by a backward pass of its own."""
    found = []
    for one, target in zip(inputs, targets.tolist(), strict=True):
        given = one[None].clone().requires_grad_(True)
        found.append(torch.autograd.grad(value(network(given)[0], target), given)[0][0])
    return torch.stack(found)
