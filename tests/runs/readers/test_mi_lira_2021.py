import inspect

import numpy as np
import pytest

from byrote.errors import BadInput
from byrote.measures.label_memorization import label_memorization
from byrote.runs.readers import read
from byrote.runs.readers.mi_lira_2021 import read as read_lira
from runs.readers.folders import BALANCED, EXAMPLES, LABELS, LOGITS, MIRRORED, MODELS, OTHERS, log_odds, mi_lira

ALL = range(MODELS)


def test_logits_and_membership_become_a_run(tmp_path):
    run = read("mi_lira_2021", mi_lira(tmp_path / "exp"), tmp_path / "run", labels=LABELS)
    np.testing.assert_array_equal(run.design.member, BALANCED)
    np.testing.assert_array_equal(run.labels, LABELS)
    np.testing.assert_array_equal(run.load("outputs.logits", ALL), LOGITS["balanced"])
    np.testing.assert_allclose(run.load("outputs.log_odds", ALL), log_odds(LOGITS["balanced"]), rtol=1e-4, atol=1e-5)
    expected = label_memorization(LOGITS["balanced"].argmax(2) == LABELS, BALANCED.astype(np.int8))
    np.testing.assert_array_equal(run.measure("label_memorization").values, expected.values)
    assert run.manifest.origin == "imported"


def test_a_balanced_design_has_no_pairs_and_says_so(tmp_path):
    run = read("mi_lira_2021", mi_lira(tmp_path / "exp"), tmp_path / "run")
    assert set(run.design.pair) == {-1}
    assert run.manifest.notes[0].startswith("balanced design without pairs: every example is in exactly 3 of the 6")
    assert not any("could not be checked" in note for note in run.manifest.notes)


def test_another_query(tmp_path):
    run = read_lira(mi_lira(tmp_path / "exp"), tmp_path / "run", query=1)
    np.testing.assert_array_equal(run.load("outputs.logits", ALL), MIRRORED)
    with pytest.raises(BadInput, match=r"The 'query' argument must lie in \[0, 2\)\. Got 2\."):
        read_lira(tmp_path / "exp", tmp_path / "other", query=2)


def test_all_queries_are_evidence_of_attacks_that_ask_more_than_once(tmp_path):
    expected = np.stack([log_odds(LOGITS["balanced"]), log_odds(MIRRORED)], 1)
    for kinds in (("logits",), ("scores",)):
        run = read_lira(mi_lira(tmp_path / kinds[0], kinds=kinds), tmp_path / f"{kinds[0]}-run")
        np.testing.assert_allclose(run.load("augmented.log_odds", ALL), expected, rtol=1e-4, atol=1e-5)


def test_scores_where_there_are_no_logits(tmp_path):
    run = read_lira(mi_lira(tmp_path / "exp", kinds=("scores",)), tmp_path / "run", query=1)
    np.testing.assert_allclose(run.load("outputs.log_odds", ALL), log_odds(MIRRORED), rtol=1e-5, atol=1e-6)


def test_logits_of_the_first_examples_only(tmp_path):
    folder = mi_lira(tmp_path / "exp", kinds=("logits",))
    for file in folder.glob("*/logits/*100.npy"):
        np.save(file, np.load(file)[:40])
    run = read_lira(folder, tmp_path / "run", labels=LABELS[:40])
    np.testing.assert_array_equal(run.design.member, BALANCED[:, :40])
    np.testing.assert_array_equal(run.labels, LABELS[:40])


def test_labels_in_another_order(tmp_path):
    folder = mi_lira(tmp_path / "exp")
    with pytest.raises(BadInput, match=r"labels in '.*y_train\.npy' are not those given: .* Hint: bring both"):
        read_lira(folder, tmp_path / "run", labels=OTHERS)
    np.save(folder / "y_train.npy", OTHERS)
    with pytest.raises(BadInput, match="predict the labels given for their own members"):
        read_lira(folder, tmp_path / "run", labels=OTHERS)
    (folder / "y_train.npy").unlink()
    with pytest.raises(BadInput, match=r"carry no labels, and none were given\. Hint: pass labels="):
        read_lira(folder, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    run = read_lira(folder, tmp_path / "run", labels=LABELS)
    assert "being right about their members" in run.manifest.notes[-1]


def test_a_model_that_diverged_is_marked(tmp_path):
    folder = mi_lira(tmp_path / "exp", kinds=("logits",))
    file = folder / f"experiment-2_{MODELS}" / "logits" / "0000000100.npy"
    np.save(file, np.full_like(np.load(file), np.nan))
    assert read_lira(folder, tmp_path / "run").diverged() == (2,)


def _last(folder):
    return folder / f"experiment-5_{MODELS}"


FAULTS = {
    "no experiment": (
        lambda f: [one.rename(f / f"old{k}") for k, one in enumerate(f.glob("exp*"))],
        "holds no experiments",
    ),
    "no answers": (
        lambda f: [file.unlink() for kind in ("logits", "scores") for file in (_last(f) / kind).glob("*")],
        r"1 of 6 experiments hold no logits: experiment-5_6\. Hint: run inference\.py",
    ),
    "epochs": (
        lambda f: (_last(f) / "logits" / "0000000100.npy").rename(_last(f) / "logits" / "0000000090.npy"),
        r"have logits of different epochs: 0000000090, 0000000100\. Hint",
    ),
    "shape": (
        lambda f: np.save(_last(f) / "logits" / "0000000100.npy", np.zeros((EXAMPLES, 3))),
        r"has shape \(60, 3\) where \(example, 1, query, class\) is wanted",
    ),
    "fewer examples": (
        lambda f: np.save(_last(f) / "logits" / "0000000100.npy", np.zeros((40, 1, 2, 3))),
        r"answers in '.*exp' differ in shape: \(2, 40, 3\), \(2, 60, 3\)",
    ),
    "no membership": (lambda f: (_last(f) / "keep.npy").unlink(), r"There is no file '.*experiment-5_6/keep\.npy'"),
    "short membership": (
        lambda f: np.save(_last(f) / "keep.npy", BALANCED[5, :10]),
        r"has shape \(10,\), and the answers are for 60 examples",
    ),
    "all members": (
        lambda f: np.save(_last(f) / "keep.npy", np.ones(EXAMPLES, bool)),
        "model 'experiment-5_6' was trained on every example of 60",
    ),
    "no members": (
        lambda f: np.save(_last(f) / "keep.npy", np.zeros(EXAMPLES, bool)),
        "model 'experiment-5_6' was trained on no example of 60",
    ),
    "pickled": (
        lambda f: np.save(_last(f) / "keep.npy", BALANCED[5].astype(object), allow_pickle=True),
        "cannot be read as plain NumPy arrays: .* Hint: .*byrote unpickles nothing",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_refused_and_nothing_written(tmp_path, name):
    harm, sentence = FAULTS[name]
    folder = mi_lira(tmp_path / "exp")
    harm(folder)
    with pytest.raises(BadInput, match=sentence):
        inspect.unwrap(read_lira)(folder, tmp_path / "run", labels=LABELS)
    assert not (tmp_path / "run").exists()
