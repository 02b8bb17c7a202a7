"""Networks that learn by rote in units of their examples' own, and lose it with them."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

import byrote
from byrote.changes.change import Context, TrainedModel
from byrote.changes.model.drop_memory_units import DropMemoryUnits
from byrote.changes.recipe.example_tied_dropout import ExampleTiedDropout
from byrote.changes.registry import parse_change
from byrote.errors import BadInput
from byrote.recipes.algorithm import Shape
from engine.toys import ROW, bound, recipe
from small import RECIPE, blobs, small_audit

CONTEXT = Context(dataset=blobs(), rng=np.random.default_rng(0))


def test_the_network_gets_the_dropout() -> None:
    changed = parse_change("example-tied-dropout=0.3,memory=0.2").apply(RECIPE, CONTEXT)
    assert changed == dataclasses.replace(RECIPE, network=byrote.MLP(hidden=(16,), tied_dropout=(0.3, 0.2)))
    with pytest.raises(BadInput, match="has no example-tied dropout"):
        ExampleTiedDropout().apply(dataclasses.replace(RECIPE, network=byrote.ResNet(depth=8)), CONTEXT)


def test_memory_units_of_a_model_are_dropped() -> None:
    slots = recipe(byrote.MLP(hidden=(12,), tied_dropout=(0.25, 0.2)))
    algorithm = slots.bind(Shape(inputs=ROW, classes=3, examples=30), torch.device("cpu"))
    model = TrainedModel(algorithm=algorithm, state=algorithm.init(0))
    network = algorithm.network(model.state)
    changed = DropMemoryUnits().apply(model, CONTEXT)
    inputs = torch.rand(5, *ROW)
    made = network[2](network[1](network[0](inputs)))
    made[:, 3:] = 0
    torch.testing.assert_close(algorithm.predict(changed.state, inputs), network[4](made * (0.25 + 0.2 * 0.75) / 0.25))


@pytest.mark.slow
def test_a_child_forgets_by_rote_without_training(tmp_path: Path) -> None:
    slots = dataclasses.replace(RECIPE, network=byrote.MLP(hidden=(32,), tied_dropout=(0.3, 0.2)), epochs=2)
    how = {"recipe": slots, "models": 4, "full": 0, "heldout": None, "probes": ("tied_dropout",)}
    parent = small_audit(tmp_path / "run", **how)
    child = byrote.change(parent, DropMemoryUnits(), out=tmp_path / "child", workers=1, progress=False)
    test, dropped, before = (
        run.load(f"tied_dropout.{name}", range(4))
        for run, name in ((child, "test"), (child, "dropped"), (parent, "dropped"))
    )
    np.testing.assert_array_equal(test, dropped)
    np.testing.assert_array_equal(dropped, before)


def test_networks_without_memory_units_are_refused() -> None:
    algorithm = bound("mlp")
    model = TrainedModel(algorithm=algorithm, state=algorithm.init(0))
    with pytest.raises(BadInput, match=r"no layer of byrote\.ExampleTiedDropout"):
        DropMemoryUnits().apply(model, CONTEXT)
