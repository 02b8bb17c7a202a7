import numpy as np
import pytest

from byrote.errors import BadInput
from byrote.runs.readers import read
from byrote.runs.readers.leakpro import read as read_leakpro
from runs.readers.folders import AUDITED, CLASSES, HALVES, LABELS, LOGITS, MODELS, OTHERS, leakpro

ALL = range(MODELS)


@pytest.mark.parametrize("hashed", ["", "_5f3a9c"])
def test_logits_and_indices_become_a_run(tmp_path, hashed):
    run = read("leakpro", leakpro(tmp_path / "cache", hashed=hashed), tmp_path / "run", labels=LABELS)
    np.testing.assert_array_equal(run.design.member, HALVES[:, AUDITED])
    np.testing.assert_array_equal(run.design.pair, np.arange(MODELS) // 2)
    np.testing.assert_array_equal(run.labels, LABELS[AUDITED])
    np.testing.assert_array_equal(run.load("outputs.logits", ALL), LOGITS["halves"][:, AUDITED])
    assert run.ids.tolist() == [str(row) for row in AUDITED]
    assert run.manifest.notes[0].endswith("for want of labels")


def test_ids_of_the_population(tmp_path):
    ids = [f"x{row}" for row in range(len(LABELS))]
    run = read("leakpro", leakpro(tmp_path / "cache"), tmp_path / "run", labels=LABELS, ids=ids)
    assert run.ids[3] == f"x{AUDITED[3]}"
    with pytest.raises(BadInput, match="There are 59 ids and 60 labels of the population"):
        read_leakpro(tmp_path / "cache", tmp_path / "other", labels=LABELS, ids=ids[1:])


def test_models_are_in_the_order_of_their_numbers(tmp_path):
    folder = leakpro(tmp_path / "cache")
    (folder / "sm_1_logits.npy").rename(folder / "sm_10_logits.npy")
    (folder / "train_indices_1.npy").rename(folder / "train_indices_10.npy")
    run = read_leakpro(folder, tmp_path / "run", labels=LABELS)
    np.testing.assert_array_equal(run.design.member, HALVES[[0, 2, 3, 4, 5, 1]][:, AUDITED])
    assert set(run.design.pair) == {-1}


def test_one_output_unit_is_the_log_odds_of_class_1(tmp_path):
    binary = np.minimum(LABELS, 1)
    run = read_leakpro(leakpro(tmp_path / "cache", single=True), tmp_path / "run", labels=binary)
    logits = LOGITS["halves"][:, AUDITED]
    odds = (logits[..., 1] - logits[..., 0]) * np.where(binary[AUDITED] == 1, 1, -1)
    np.testing.assert_allclose(run.load("outputs.log_odds", ALL), odds, rtol=1e-5, atol=1e-6)
    assert run.class_names == ("0", "1")


def test_a_model_that_diverged_is_marked(tmp_path):
    folder = leakpro(tmp_path / "cache")
    np.save(folder / "sm_3_logits.npy", np.full((len(AUDITED), CLASSES), np.nan))
    assert read_leakpro(folder, tmp_path / "run", labels=LABELS).diverged() == (3,)


FAULTS = {
    "no logits": (lambda f: [file.unlink() for file in f.glob("sm_*")], r"holds no logits of shadow models\. Hint"),
    "two of one": (lambda f: np.save(f / "sm_2_ab_logits.npy", np.zeros(3)), "two files of shadow model 2"),
    "no audit indices": (
        lambda f: (f / "audit_indices.npy").unlink(),
        r"no file .*audit_indices.*Hint: LeakPro pickles",
    ),
    "no train indices": (lambda f: (f / "train_indices_4.npy").unlink(), "no file .*train_indices_4.*LeakPro pickles"),
    "twice": (lambda f: np.save(f / "audit_indices.npy", np.zeros(50, int)), "names examples twice"),
    "elsewhere": (lambda f: np.save(f / "audit_indices.npy", AUDITED + 30), "names examples .* of a population of 60"),
    "fractions": (lambda f: np.save(f / "audit_indices.npy", AUDITED * 0.5), "must hold whole numbers along one axis"),
    "other rows": (
        lambda f: np.save(f / "audit_indices.npy", AUDITED[:40]),
        r"has shape \(50, 3\) where \(example=40,",
    ),
    "width": (lambda f: np.save(f / "sm_0_logits.npy", np.zeros((50, 4))), "differ in shape"),
    "all members": (
        lambda f: np.save(f / "train_indices_1.npy", np.arange(60)),
        r"model 'sm_1_logits\.npy' was trained on every example of 50",
    ),
    "no members": (
        lambda f: np.save(f / "train_indices_1.npy", np.zeros(0, int)),
        r"model 'sm_1_logits\.npy' was trained on no example of 50",
    ),
    "another order": (
        lambda f: np.save(f / "audit_indices.npy", np.sort(AUDITED)),
        "predict the labels given for their own members",
    ),
    "pickled": (
        lambda f: np.save(f / "train_indices_0.npy", np.array([AUDITED, 3], object), allow_pickle=True),
        "Hint: .*byrote unpickles nothing",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_refused_and_nothing_written(tmp_path, name):
    harm, sentence = FAULTS[name]
    folder = leakpro(tmp_path / "cache")
    harm(folder)
    with pytest.raises(BadInput, match=sentence):
        read_leakpro(folder, tmp_path / "run", labels=LABELS)
    assert not (tmp_path / "run").exists()


def test_labels_in_another_order(tmp_path):
    with pytest.raises(BadInput, match=r"shuffled ones in .* Hint: bring labels="):
        read_leakpro(leakpro(tmp_path / "cache"), tmp_path / "run", labels=OTHERS)
