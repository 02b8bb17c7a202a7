"""Weights that a recorder keeps: probes read them once they are given the network, and refuse another one."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

import byrote
from byrote.analyses.where import where
from byrote.cli.app import app
from byrote.data.dataset import Dataset
from byrote.engine.afterwards import probe
from byrote.errors import BadInput, MissingEvidence, NotEnoughRoom
from byrote.probes import kept_weights
from byrote.recording import kept
from byrote.recording.journal import Journal
from byrote.recording.recorder import Recorder
from byrote.report.verify import verify
from byrote.runs.run import Run
from recording.own_loop import DATA, OWN, net, recorded
from small import RECIPE, blobs


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two trainings in one run."""
    out = tmp_path_factory.mktemp("recorded") / "mine"
    for model in range(2):
        recorded(out, model=model)
    return out


def attached(folder: Path, *, recipe: byrote.Recipe = OWN, data: Dataset = DATA) -> Run:
    """The run with the data and the network that its owner gives."""
    return Run.open(folder).attach(data, recipe)


def test_a_recorded_run_is_probed_and_mapped_with_the_network_that_is_given(folder: Path) -> None:
    run = probe(attached(folder), "rewinding,permutations=1", "readout", "gradient_norm")
    assert run.evidence.coordinates("weights_at", "checkpoint", 0, 0) == ("0", "1", "2", "3")
    right = run.load("trajectory.correct", [0, 1])
    np.testing.assert_array_equal(run.load("rewinding.right", [0, 1]), right[:, -1].astype(int))
    np.testing.assert_array_equal(run.load("rewinding.fitted", [0, 1]), right.astype(int))
    assert run.load("rewinding.layer", [0]).tolist() == ["0", "2"]
    assert run.load("rewinding.wrong", [0, 1]).any()
    assert (run.load("gradients.gradient_norm", [0, 1]) > 0).any()
    assert where(run).rows["map"]
    assert verify(run) == []
    assert verify(Run.open(folder)) == []


def test_the_commands_take_the_network_from_a_program_that_is_given(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(
        "import byrote, numpy as np\nfrom recording.own_loop import DATA, OWN\n"
        "def dataset():\n    return DATA\n\ndef recipe():\n    return OWN\n"
    )
    with pytest.raises(BadInput, match="was recorded in a training of your own, so byrote does not know its network"):
        app(["probe", str(folder), "rewinding,permutations=1,layers=2"], standalone_mode=False)
    app(["probe", str(folder), "last_layer", "--source", "mine.py"], standalone_mode=False)
    assert "last_layer" in Run.open(folder).manifest.evidence
    app(["where", str(folder), "--source", "mine.py"], standalone_mode=False)
    assert {"rewinding", "readout"} <= {*Run.open(folder).manifest.evidence}


def test_other_networks_and_other_data_are_refused(folder: Path) -> None:
    wide = dataclasses.replace(RECIPE, network=byrote.MLP(hidden=(8,)))
    with pytest.raises(BadInput, match="are not those of its recipe's network"):
        probe(attached(folder, recipe=wide), "rewinding,permutations=2")
    moved = DATA.replace(inputs=np.asarray(DATA.inputs) * 3 + 5)
    with pytest.raises(BadInput, match=r"differs from the clean pass on \d+% of the examples") as told:
        probe(attached(folder, data=moved), "rewinding,permutations=2")
    assert "scaled alike" in str(told.value.hint)
    with pytest.raises(BadInput, match="is not the one that the run"):
        attached(folder, data=blobs(39))


def test_a_loop_without_weights_is_refused_with_what_would_have_kept_them(tmp_path: Path) -> None:
    recorded(tmp_path / "bare", at=None)
    run = Run.open(tmp_path / "bare")
    for name in ("rewinding", "gradient_norm"):
        with pytest.raises(MissingEvidence, match="weights") as told:
            probe(run, name)
        assert 'Recorder(…, keep_weights_at="checkpoints")' in str(told.value.hint)
        assert "recorder.clean_pass(model, loader)" in str(told.value.hint)
    with pytest.raises(BadInput, match="is not the one that the run"):
        run.attach(DATA, OWN)


def test_named_epochs_alone_are_kept_and_all_models_must_have_them(tmp_path: Path) -> None:
    names = DATA.ids.tolist()
    recorded(tmp_path / "run", at="0,last", ids=names)
    assert attached(tmp_path / "run").ids.tolist() == names
    with pytest.raises(BadInput, match="is not the one that the run"):
        attached(tmp_path / "run", data=DATA.replace(ids=DATA.ids[::-1]))
    assert sorted(Journal(tmp_path / "run", 0).weights()) == [0, 3]
    recorded(tmp_path / "run", model=1, at="1,last", passes=(1, 3), ids=names)
    run = Run.open(tmp_path / "run")
    assert run.evidence.coordinates("weights_at", "checkpoint", 1, 0) == ("3",)
    assert "Weights are those that all models which kept some have: after [3] epochs." in run.manifest.notes
    for asked, problem in (("best", "does not see the held-out loss"), ("first", "Weights are kept at checkpoints")):
        with pytest.raises(BadInput, match=problem):
            Recorder(tmp_path / "other", examples=3, keep_weights_at=asked)


def test_disk_is_bounded_for_a_model_and_for_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = sum(array.nbytes for array in kept_weights.tensors_of(net()).values())
    monkeypatch.setattr(kept, "BYTES", 2 * 8 * 4 * size)
    recorded(tmp_path / "run", epochs=6, passes=range(7))
    assert sorted(Journal(tmp_path / "run", 0).weights()) == [0, 4, 6]
    monkeypatch.setattr(kept, "BYTES", 2 * 4 * size)
    with pytest.raises(NotEnoughRoom, match=r"Weights of model 1 at 3 checkpoints take .* of 1 other models") as told:
        recorded(tmp_path / "run", model=1)
    assert 'keep_weights_at="last"' in str(told.value.hint)
    recorded(tmp_path / "run", model=8)
    assert Journal(tmp_path / "run", 8).weights() == {}


def test_a_training_that_goes_on_forgets_the_weights_of_later_epochs(tmp_path: Path) -> None:
    recorded(tmp_path / "run")
    Recorder(
        tmp_path / "run", examples=len(DATA), keep_weights_at="checkpoints", class_names=DATA.class_names, resume_at=3
    )
    assert sorted(Journal(tmp_path / "run", 0).weights()) == [0, 1, 2, 3]
    half = torch.nn.Linear(2, 2).bfloat16()
    assert kept_weights.tensors_of(half)["weight"].dtype == np.float32
