"""A small audit that takes a second: two noisy blobs a class, a network that fits them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import byrote
from byrote.changes.change import Context
from byrote.changes.data.symmetric_label_noise import SymmetricLabelNoise
from byrote.data.dataset import Dataset
from byrote.engine import division
from byrote.engine.choose import SIZES, Choice, Choosable, choose
from byrote.recipes.networks.mlp import MLP
from byrote.recipes.recipe import Recipe
from byrote.runs.run import Run


def blobs(examples: int = 60, *, seed: int = 0, noise: float = 0.0) -> Dataset:
    """Three classes in the plane, with labels planted wrong if asked."""
    rng = np.random.default_rng(seed)
    targets = np.arange(examples) % 3
    inputs = rng.normal(size=(examples, 2)) + 4 * np.array([[0, 0], [1, 0], [0, 1]])[targets]
    dataset = byrote.from_arrays(inputs.astype(np.float32), targets, name="blobs", class_names=("a", "b", "c"))
    if not noise:
        return dataset
    return SymmetricLabelNoise(noise).apply(dataset, Context(dataset=dataset, rng=rng))


RECIPE = byrote.Recipe(network=byrote.MLP(hidden=(16,)), epochs=6, batch_size=8, optimizer=byrote.SGD(lr=0.1))


def small_audit(out: Path, **changes: Any) -> Run:
    """Audit the blobs, silently and in this process unless told otherwise."""
    settings: dict[str, Any] = {"models": 6, "heldout": blobs(30, seed=1), "workers": 1, "progress": False}
    dataset = changes.pop("dataset", blobs(noise=0.1))
    recipe: Recipe = changes.pop("recipe", RECIPE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(division, "choose", _chosen)
        return byrote.audit(dataset, recipe, out=out, **{**settings, **changes})


def _chosen(job: Choosable, *, per_worker: int, compiled: bool = False, least: int = SIZES[0]) -> Choice:
    """Small perceptrons train side by side, without a trial of both ways that takes as long as they do."""
    slots = getattr(job.recipe, "recipe", job.recipe)
    if not isinstance(slots.network, MLP) or job.why_not_stacked():
        return choose(job, per_worker=per_worker, compiled=compiled, least=least)
    return Choice(
        stacked=True, size=min(max(per_worker, least), SIZES[0]), compiled=compiled, reason="side by side, untried",
        seconds_a_model=0.01, seconds_alone=0.05, seconds_pair=0.04,
    )  # fmt: skip


def longer(epochs: int) -> Recipe:
    """The recipe with other epochs."""
    return dataclasses.replace(RECIPE, epochs=epochs)


def shards(folder: Path) -> dict[str, bytes]:
    """Every shard of a run by its path."""
    return {
        str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("evidence/*/*.safetensors"))
    }
