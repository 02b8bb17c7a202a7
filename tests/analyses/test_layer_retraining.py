"""Layer retraining, where it is known which layer holds what."""

import dataclasses
from pathlib import Path

import pytest
from torch import nn

import byrote
from byrote.analyses.lab import Lab
from byrote.analyses.layer_retraining import layer_retraining
from byrote.errors import BadInput
from probes.layered import clouds
from small import RECIPE, small_audit

LAB = Lab(workers=1, progress=False)


def half() -> nn.Module:
    """Only the last layer is trained: it holds all that is learned."""
    network = nn.Sequential(nn.Linear(10, 200), nn.ReLU(), nn.Linear(200, 3))
    network[0].requires_grad_(False)
    return network


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> byrote.Run:
    recipe = dataclasses.replace(
        RECIPE, network=byrote.Network(half), epochs=60, optimizer=byrote.SGD(lr=0.2, momentum=0.9)
    )
    out = tmp_path_factory.mktemp("half") / "run"
    return small_audit(out, dataset=clouds(60, seed=0), heldout=None, recipe=recipe, models=4, full=0, checkpoints=2)


@pytest.mark.slow
def test_the_layer_that_learned_alone_holds_the_wrong_labels(run: byrote.Run) -> None:
    table = layer_retraining(LAB, run, models=3, steps=200)
    wrong, clean = (
        dict(zip(table.rows["layer"], (one.value for one in table.figures[name]), strict=True))
        for name in ("wrong labels given", "accuracy on clean examples")
    )
    assert list(wrong) == ["none", "0", "2"]
    assert wrong["none"] > 0.8, "wrong labels were fitted"
    assert wrong["0"] == wrong["none"], "a layer that was never trained is as it was"
    assert wrong["2"] < wrong["none"] - 0.4
    assert clean["2"] > 0.95


def test_names_and_runs_without_wrong_labels_are_refused(run: byrote.Run, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="The network has no layer 'head'") as told:
        layer_retraining(LAB, run, models=3, layers="0;head")
    assert "its layers are 0; 2" in told.value.hint
    assert run.dataset is not None
    assert run.recipe is not None
    clean = dataclasses.replace(run, dataset=clouds(60, seed=0, noise=0.0))
    with pytest.raises(BadInput, match="and the run has none") as told:
        layer_retraining(LAB, clean, models=3)
    assert "label-noise=0.1" in told.value.hint
