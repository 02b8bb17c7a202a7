"""A small audit whose layers were read while it trained, with all that the probes saw."""

from __future__ import annotations

import dataclasses
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import nn

import byrote
from byrote.changes.change import Context
from byrote.changes.data.symmetric_label_noise import SymmetricLabelNoise
from byrote.data.dataset import Dataset
from byrote.recipes.recipe import Recipe
from byrote.runs.run import Run
from small import RECIPE, small_audit

NAMES = ("dilation", "intrinsic_dimension", "layer_probes", "neural_collapse")
RECIPE_OF = dataclasses.replace(RECIPE, network=byrote.MLP(hidden=(24, 12)), epochs=12)
_FOLDER = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)


def clouds(examples: int, *, seed: int, noise: float = 0.2) -> Dataset:
    """Three classes in ten dimensions, some with wrong labels, and more examples than go through a network at once."""
    rng = np.random.default_rng(seed)
    targets = np.arange(examples) % 3
    inputs = rng.normal(size=(examples, 10)) + 2.5 * np.eye(3, 10)[targets]
    made = byrote.from_arrays(inputs.astype(np.float32), targets, name="clouds", class_names=("a", "b", "c"))
    return SymmetricLabelNoise(noise).apply(made, Context(dataset=made, rng=rng)) if noise else made


@cache
def layered(*, stacked: bool = True) -> Run:
    """Two half-split pairs and two full-data models with every probe of layers, and their last weights."""
    return small_audit(
        Path(_FOLDER.name) / str(stacked),
        dataset=clouds(300, seed=0),
        heldout=clouds(90, seed=1, noise=0.0),
        recipe=RECIPE_OF,
        models=4,
        probes=NAMES,
        checkpoints=4,
        keep_weights=True,
        executor=None if stacked else one_by_one(layered()),
    )


def one_by_one(run: Run) -> dict[str, object]:
    """The executor of a run, with each model by itself."""
    blocks = [{"models": [model], "stacked": False, "compiled": False} for model in range(run.design.models)]
    return {**run.manifest.executor, "blocks": blocks}


def final(run: Run, model: int) -> nn.Sequential:
    """The trained network of a model."""
    recipe, data = run.recipe, run.dataset
    assert isinstance(recipe, Recipe)
    assert data is not None
    network = recipe.network.build(data.inputs.shape[1:], data.classes)
    kept = run.evidence.block("weights", model, 0)
    network.load_state_dict({name: torch.from_numpy(array) for name, array in kept.items()})
    assert isinstance(network, nn.Sequential)
    return network.eval()


def hidden(network: nn.Sequential, inputs: np.ndarray, layers: int) -> np.ndarray:
    """What so many of the first layers make of inputs."""
    with torch.no_grad():
        return network[:layers](torch.from_numpy(np.array(inputs))).numpy()


def trained_blocks_differ(run: Run) -> bool:
    """Whether models were stacked."""
    return any(block["stacked"] for block in run.manifest.executor["blocks"])
