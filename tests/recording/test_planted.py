from __future__ import annotations

import numpy as np
import pytest
import torch

import byrote
from byrote.analyses.catalog import ask
from byrote.analyses.issues import LABEL_ERROR, PROBABILITY, as_table, issues
from byrote.data.controls import LABEL_NOISE, Controls, planted
from byrote.errors import BadInput
from byrote.recording.journal import FOLDER
from byrote.recording.planted import PLANTED, controls_of
from byrote.recording.recorder import Recorder
from byrote.report.verify import damage
from byrote.runs.run import Run

NAMES = ("cat", "dog", "owl")


def told(folder, labels, *, model=0, **settings):
    """One epoch of a training that answers with each example's label."""
    recorder = Recorder(folder, examples=len(labels), model=model, **settings)
    recorder.observe(range(len(labels)), 5 * torch.eye(3)[labels], labels)
    return recorder.close()


@pytest.mark.parametrize(
    ("given", "names", "true"),
    [
        ({1: 2}, None, "2"),
        ({"1": "2"}, None, "2"),
        ({1: np.int64(2)}, NAMES, "owl"),
        ({1: "owl"}, NAMES, "owl"),
        (planted(LABEL_NOISE, ["1"], ["owl"]), NAMES, "owl"),
    ],
)
def test_true_labels_are_numbers_or_names(given, names, true):
    found = controls_of(given, ["0", "1", "2"], names)
    assert found.example.tolist() == ["1"]
    assert found.kind.tolist() == [LABEL_NOISE]
    assert found.original.tolist() == [true]


@pytest.mark.parametrize(
    ("given", "names", "said"),
    [
        ({7: 0}, None, "examples that are not there: '7'"),
        ({1: 3}, NAMES, "no classes: '3'"),
        ({1: "fox"}, NAMES, "no classes: 'fox'"),
        ({1: "owl"}, None, "no classes: 'owl'"),
        (planted(LABEL_NOISE, ["1"], ["owl"]), None, "no classes: 'owl'"),
    ],
)
def test_what_is_not_there_is_refused(given, names, said):
    with pytest.raises(BadInput, match=said):
        controls_of(given, ["0", "1", "2"], names)


def test_a_recording_keeps_what_was_planted(tmp_path):
    run = told(tmp_path / "run", [0, 1, 2, 0], ids=list("abcd"), class_names=NAMES, controls={"b": "owl", "d": 1})
    again = Run.open(run.folder)
    assert again.controls.mask(again.ids, LABEL_NOISE).tolist() == [False, True, False, True]
    assert again.load("data.true_label", [0]).tolist() == [0, 2, 2, 1]
    assert again.controls.original.tolist() == ["owl", "dog"]
    assert damage(run.folder, run.manifest) == []


def test_models_of_a_run_are_told_the_same_or_nothing(tmp_path):
    told(tmp_path / "run", [0, 1, 2], controls={1: 0})
    assert len(told(tmp_path / "run", [0, 1, 2], model=1).controls) == 1
    assert len(told(tmp_path / "run", [0, 1, 2], model=2, controls={1: 0}).controls) == 1
    with pytest.raises(BadInput, match="told of other planted examples"):
        Recorder(tmp_path / "run", examples=3, model=3, controls={1: 2})


def test_an_example_with_its_true_label_is_no_control(tmp_path):
    run = told(tmp_path / "run", [0, 1, 2], controls={0: 0, 1: 2})
    assert run.controls.example.tolist() == ["1"]
    assert "1 examples that controls= names were trained with their true label" in " ".join(run.manifest.notes)


def test_planted_labels_are_of_classes(tmp_path):
    with pytest.raises(BadInput, match="is about one class per example"):
        Recorder(tmp_path / "run", examples=3, labels=[0.5, 1.5, 2.5], controls={1: 2})


def test_a_recording_of_before_has_none(tmp_path):
    run = told(tmp_path / "run", [0, 1, 2])
    assert not (run.folder / FOLDER / PLANTED).exists()
    assert len(run.controls) == 0


def recording(folder, controls):
    """Eight models on halves of 90 examples; 9 labels are wrong, 2 more without anybody's knowing.

    A model that was not trained on an example gives its true label, by more or less; one that was gives the label.
    """
    rng = np.random.default_rng(0)
    true = np.arange(90) % 3
    label = true.copy()
    label[:11] = (true[:11] + 1) % 3
    for model in range(8):
        half = np.random.default_rng(model // 2).permutation(90).reshape(2, 45)[model % 2]
        recorder = Recorder(folder, examples=90, model=model, controls=controls and dict(enumerate(true[:9])))
        answers = rng.normal(4, 1, (90, 1)) * np.eye(3)[true]
        answers[half] = 6 * np.eye(3)[label[half]]
        logits = torch.from_numpy(answers).float()
        recorder.observe(half, logits[half], label[half])
        recorder.epoch_end()
        batch = torch.arange(90), logits, torch.from_numpy(label)
        recorder.clean_pass(torch.nn.Identity(), [batch], forward=lambda _, batch: batch)
        run = recorder.close()
    return run


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    return recording(tmp_path_factory.mktemp("known") / "run", True)


def test_planted_labels_make_probabilities_and_stay_out_of_the_list(known):
    found = issues(known)
    assert (found.planted, found.hit) == (9, 9)
    assert {one.example for one in found.own if one.issue == LABEL_ERROR} == {9, 10}
    table = as_table(found)
    assert set(table.arrays["score_is"][table.arrays["issue"] == LABEL_ERROR]) == {PROBABILITY}
    assert found.errors is not None
    assert found.errors.tested is not None
    assert (found.errors.tested.value, found.errors.tested.examples, found.errors.tested.models) == (1, 9, 8)


def test_the_self_test_counts_them_without_a_training(known):
    table = ask(known, "self_test", lab=byrote.Lab(workers=1, progress=False))
    share = table.figures["flagged"][0]
    assert (share.value, share.examples, share.models) == (1, 9, 8)
    assert 0.6 < share.low < 0.75  # Wilson's, of nine in nine: 9 / (9 + 1.96²)
    assert table.arrays["example"].tolist() == [str(row) for row in range(9)]
    assert table.arrays["was"].tolist() == [str(row % 3) for row in range(9)]
    assert table.arrays["made"].tolist() == [str((row + 1) % 3) for row in range(9)]


def test_without_them_label_errors_have_scores(tmp_path):
    found = issues(recording(tmp_path / "run", None))
    assert found.planted == 0
    assert found.errors is not None
    assert found.errors.tested is None
    assert PROBABILITY not in as_table(found).arrays["score_is"]


def test_triage_says_how_a_recording_gets_controls(known):
    with pytest.raises(BadInput, match=r"byrote\.plant\(dataset.*ids=planted\.ids, controls.* to Recorder"):
        byrote.triage(known)


def test_controls_come_with_a_planted_dataset(tmp_path):
    data = byrote.plant(byrote.from_arrays(np.arange(12.0)[:, None], np.arange(12) % 3, name="mine"), "label-noise=0.2")
    names = {"ids": data.ids, "class_names": data.class_names, "controls": data.controls}
    run = told(tmp_path / "run", data.targets.tolist(), **names)
    assert isinstance(run.controls, Controls)
    assert run.controls.to_table() == data.controls.to_table()
