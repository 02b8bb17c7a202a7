import json

import numpy as np
import pytest

from byrote.errors import BadInput, MissingEvidence
from byrote.measures.label_memorization import label_memorization_probability
from byrote.runs.readers import read
from byrote.runs.readers.privacy_meter import read as read_meter
from runs.readers.folders import EXAMPLES, HALVES, LABELS, LOGITS, MODELS, QUERIES, privacy_meter, probability

PAIR = np.arange(MODELS) // 2


def test_signals_and_memberships_become_a_run(tmp_path):
    run = read("privacy_meter", privacy_meter(tmp_path / "log"), tmp_path / "run", labels=LABELS)
    np.testing.assert_array_equal(run.design.member, HALVES)
    np.testing.assert_array_equal(run.design.pair, PAIR)
    expected = probability(LOGITS["halves"]).astype(np.float32)
    np.testing.assert_array_equal(run.load("outputs.probability", range(MODELS)), expected)
    found = run.measure("label_memorization[probability]")
    truth = label_memorization_probability(expected, HALVES.astype(np.int8), PAIR)
    np.testing.assert_array_equal(found.values, truth.values)
    np.testing.assert_array_equal(found.stderr, truth.stderr)
    np.testing.assert_array_equal(run.load("heldout.probability", range(MODELS)), expected[:, :QUERIES] / 2)
    assert run.manifest.notes == ("the order of the examples could not be checked: the files carry no labels",)


def test_log_odds_are_not_made_up(tmp_path):
    run = read_meter(privacy_meter(tmp_path / "log"), tmp_path / "run", labels=LABELS)
    with pytest.raises(MissingEvidence, match="log_odds"):
        run.load("outputs.log_odds", [0])


def test_without_population(tmp_path):
    run = read_meter(privacy_meter(tmp_path / "log", population=False), tmp_path / "run", labels=LABELS)
    assert run.manifest.heldout is None


def test_signals_of_two_algorithms(tmp_path):
    folder = privacy_meter(tmp_path / "log")
    np.save(folder / "signals" / "loss_signals.npy", np.full((EXAMPLES, MODELS), 0.25))
    with pytest.raises(
        BadInput, match=r"holds signals of several algorithms\. Hint: give algorithm=… to .*, as one of loss, rmia"
    ):
        read_meter(folder, tmp_path / "run", labels=LABELS)
    run = read_meter(folder, tmp_path / "run", labels=LABELS, algorithm="loss")
    assert (run.load("outputs.probability", range(MODELS)) == 0.25).all()
    assert run.manifest.heldout is None
    with pytest.raises(BadInput, match=r"holds no signals of 'lira'\. Hint"):
        read_meter(folder, tmp_path / "other", labels=LABELS, algorithm="lira")


def test_models_that_are_no_pairs(tmp_path):
    folder = privacy_meter(tmp_path / "log")
    moved = np.roll(HALVES, 1, axis=0)
    np.save(folder / "models" / "memberships.npy", moved)
    run = read_meter(folder, tmp_path / "run", labels=LABELS)
    assert set(run.design.pair) == {-1}
    assert run.manifest.notes[1].startswith("balanced design without pairs")


def test_a_model_that_diverged_is_marked(tmp_path):
    folder = privacy_meter(tmp_path / "log")
    file = folder / "signals" / "rmia_signals.npy"
    signals = np.load(file)
    signals[:, 4] = np.nan
    np.save(file, signals)
    assert read_meter(folder, tmp_path / "run", labels=LABELS).diverged() == (4,)


def _memberships(change):
    return lambda f: np.save(f / "models" / "memberships.npy", change(HALVES))


def _signals(change):
    def harm(folder):
        file = folder / "signals" / "rmia_signals.npy"
        np.save(file, change(np.load(file)))

    return harm


def _metadata(change):
    def harm(folder):
        file = folder / "models" / "models_metadata.json"
        file.write_text(json.dumps(change(json.loads(file.read_text()))))

    return harm


FAULTS = {
    "no signals": (lambda f: (f / "signals" / "rmia_signals.npy").unlink(), r"holds no signals\. Hint: run Privacy"),
    "no memberships": (lambda f: (f / "models" / "memberships.npy").unlink(), r"There is no file '.*memberships\.npy'"),
    "no metadata": (lambda f: (f / "models" / "models_metadata.json").unlink(), r"no file '.*models_metadata\.json'"),
    "no json": (lambda f: (f / "models" / "models_metadata.json").write_text("{"), "does not say the 'num_train' of 6"),
    "fewer models told": (
        _metadata(lambda told: {"0": told["0"]}),
        "does not say the 'num_train' of 6 models: KeyError",
    ),
    "other run": (
        _metadata(lambda told: {**told, "3": {"num_train": 29}}),
        r"Model 3 has 29 training examples by 'models_metadata\.json', and 30 by its memberships\. Hint",
    ),
    "a part was audited": (
        _signals(lambda s: s[:40]),
        r"has shape \(40, 6\) where \(example=60, model\) .* Hint: audit all",
    ),
    "losses": (_signals(lambda s: s * 3), r"'outputs\.probability' must lie in \[0, 1\]"),
    "not a number": (_signals(lambda s: s * np.nan), "None of the values in .* is finite"),
    "other models": (_memberships(lambda m: m[:4]), r"has shape \(4, 60\) where \(model=6, example=60\)"),
    "all members": (_memberships(np.ones_like), "model 'model_0' was trained on every example of 60"),
    "no members": (_memberships(np.zeros_like), "model 'model_0' was trained on no example of 60"),
    "pickled": (
        lambda f: np.save(f / "models" / "memberships.npy", HALVES.astype(object), allow_pickle=True),
        "cannot be read as plain NumPy arrays: .* Hint: .*byrote unpickles nothing",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_refused_and_nothing_written(tmp_path, name):
    harm, sentence = FAULTS[name]
    folder = privacy_meter(tmp_path / "log")
    harm(folder)
    with pytest.raises(BadInput, match=sentence):
        read_meter(folder, tmp_path / "run", labels=LABELS)
    assert not (tmp_path / "run").exists()


def test_labels_are_needed(tmp_path):
    with pytest.raises(BadInput, match=r"carry no labels, and none were given\. Hint: pass labels="):
        read("privacy_meter", privacy_meter(tmp_path / "log"), tmp_path / "run")
