import numpy as np
import pyarrow.parquet as pq
import pytest

from byrote.errors import BadInput, TooFewModels
from byrote.measures.influence import influence
from byrote.measures.label_memorization import label_memorization
from byrote.runs.readers import read
from byrote.runs.readers.feldman_zhang import TOP, values
from runs.readers.folders import (
    BALANCED,
    CORRECT,
    EXAMPLES,
    LABELS,
    MEMORIZATION,
    MODELS,
    OTHERS,
    QUERIES,
    TEST_CORRECT,
    TEST_LABELS,
    aux_arrays,
    infl_matrix,
)

MEM, INFL = "feldman_zhang.label_memorization", "feldman_zhang.influence"


def test_released_values_come_without_errors(tmp_path):
    run = read("feldman_zhang", infl_matrix(tmp_path / "m.npz"), tmp_path / "run", labels=LABELS)
    found = pq.read_table(tmp_path / "run" / "results" / f"{MEM}.parquet").to_pydict()
    np.testing.assert_array_equal(found["value"], MEMORIZATION.astype(np.float64))
    assert np.isnan([found["stderr"], found["low"], found["high"]]).all()
    assert found["example"] == [str(n) for n in range(EXAMPLES)]
    assert any("without standard errors" in note for note in run.manifest.notes)
    assert run.manifest.origin == "imported"
    assert run.design.models == 0
    with pytest.raises(TooFewModels, match=r"holds released values .* and no models"):
        run.measure("label_memorization")


def test_the_largest_influences_of_each_test_example(tmp_path):
    found = values(infl_matrix(tmp_path / "m.npz"), None).results[INFL]
    expected = [
        (query, example, (example * 100 + query) / 10000)
        for query in range(QUERIES)
        for example in sorted(np.flatnonzero(TEST_LABELS[query] == LABELS), reverse=True)[:TOP]
    ]
    assert list(zip(found.query.tolist(), found.example.tolist(), found.values.tolist(), strict=True)) == expected
    assert np.isnan(found.stderr).all()


def test_what_is_not_finite_is_undefined(tmp_path):
    changed = MEMORIZATION.copy()
    changed[[3, 7]] = np.nan, np.inf
    rows = np.flatnonzero(LABELS == 0)
    infl = np.full((len(rows), int((TEST_LABELS == 0).sum())), np.nan)
    infl[2] = 0.5
    released = values(infl_matrix(tmp_path / "m.npz", tr_mem=changed, infl_matrix_class0=infl), None)
    assert np.flatnonzero(np.isnan(released.results[MEM].values)).tolist() == [3, 7]
    assert released.results[MEM].reason(3) == "the file holds no finite value"
    pairs = released.results[INFL]
    assert pairs.example[np.isin(pairs.query, np.flatnonzero(TEST_LABELS == 0))].tolist() == [rows[2]] * 3


def test_file_names_of_imagenet_are_the_ids(tmp_path):
    names = np.array([f"n{n}.JPEG".encode() for n in range(EXAMPLES)])
    np.savez(tmp_path / "imagenet_index.npz", tr_mem=MEMORIZATION, tr_labels=LABELS, tr_filenames=names)
    run = read("feldman_zhang", tmp_path / "imagenet_index.npz", tmp_path / "run")
    assert run.ids[4] == "n4.JPEG"
    other = [name.decode() for name in names[::-1]]
    with pytest.raises(BadInput, match="The ids in the release are not those given: 60 of 60 differ"):
        read("feldman_zhang", tmp_path / "imagenet_index.npz", tmp_path / "other", ids=other)


def test_pairs_of_high_influence(tmp_path):
    path = tmp_path / "cifar100_high_infl_pairs_infl0.15_mem0.25.npz"
    arrays = {"tr_idx": np.array([5, 2, 9]), "tt_idx": np.array([1, 1, 0]), "infl": np.array([0.2, 0.4, 0.3])}
    np.savez(path, **arrays, mem=np.array([0.5, 0.6, 0.7]))
    found = values(path, LABELS).results[INFL]
    assert (found.example.tolist(), found.query.tolist()) == ([9, 2, 5], [0, 1, 1])
    assert found.values.tolist() == [0.3, 0.4, 0.2]
    with pytest.raises(BadInput, match=r"name training examples 2 to 9, and there are 9 labels\. Hint"):
        values(path, LABELS[:9])
    with pytest.raises(BadInput, match="carry no labels"):
        values(path, None)
    np.savez(path, **{**arrays, "infl": np.zeros(2)})
    with pytest.raises(BadInput, match=r"must be of one length; they are \(3,\), \(3,\), \(2,\)"):
        values(path, LABELS)


def test_values_of_the_mnist_example(tmp_path):
    np.savez(tmp_path / "infl_mem.npz", memorization=MEMORIZATION, influence=np.zeros((QUERIES, EXAMPLES)))
    released = values(tmp_path / "infl_mem.npz", LABELS)
    np.testing.assert_array_equal(released.results[MEM].values, MEMORIZATION)
    assert any("order of the examples could not be checked" in note for note in released.notes)


VALUE_FAULTS = {
    "another order": ({"tr_labels": OTHERS}, "are not those given: .* Hint: bring both into one order"),
    "fewer": ({"tr_labels": LABELS[:-1]}, "There are 59 labels in .*, and 60 were given"),
    "values": ({"tr_mem": MEMORIZATION[:-1]}, r"are float32 of shape \(59,\) for 60 examples"),
    "words": ({"tr_mem": MEMORIZATION.astype(str)}, r"are <U32 of shape \(60,\) for 60 examples"),
    "pickled": ({"tr_mem": MEMORIZATION.astype(object)}, "Hint: .*byrote unpickles nothing"),
    "matrix": (
        {"infl_matrix_class1": np.zeros((2, 2))},
        r"'infl_matrix_class1' in .* is float64 of shape \(2, 2\) where",
    ),
    "classes": (
        {"tr_classidx_1": np.flatnonzero(LABELS == 2)},
        "'tr_classidx_1' in .* names examples that are not of cl",
    ),
}


@pytest.mark.parametrize("name", VALUE_FAULTS)
def test_values_that_do_not_fit(tmp_path, name):
    changes, sentence = VALUE_FAULTS[name]
    path = infl_matrix(tmp_path / "m.npz", **changes)
    with pytest.raises(BadInput, match=sentence):
        read("feldman_zhang", path, tmp_path / "run", labels=LABELS)
    assert not (tmp_path / "run").exists()


def test_a_file_of_another_kind(tmp_path):
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    with pytest.raises(
        BadInput, match=r"is not a Feldman & Zhang release; it contains 'a'\. Hint: a release contains 'tr_mem'"
    ):
        values(tmp_path / "other.npz", LABELS)
    with pytest.raises(BadInput, match="There is no file"):
        values(tmp_path / "nowhere.npz", LABELS)


def test_held_out_runs_become_a_run(tmp_path):
    run = read("feldman_zhang_runs", aux_arrays(tmp_path / "cifar"), tmp_path / "run", labels=LABELS)
    np.testing.assert_array_equal(run.design.member, BALANCED)
    np.testing.assert_array_equal(run.load("outputs.correct", range(MODELS)), CORRECT)
    np.testing.assert_array_equal(run.load("heldout.correct", range(MODELS)), TEST_CORRECT)
    expected = label_memorization(CORRECT, BALANCED.astype(np.int8))
    found = run.measure("label_memorization")
    np.testing.assert_array_equal(found.values, expected.values)
    assert (found.stderr[~np.isnan(found.values)] > 0).all()
    strongest = influence(TEST_CORRECT, BALANCED.astype(np.int8))
    np.testing.assert_array_equal(run.measure("influence").values, strongest.values)
    assert run.manifest.notes[0].startswith("independent subsets of ")


def test_a_grid_of_ratios(tmp_path):
    run = read(
        "feldman_zhang_runs", aux_arrays(tmp_path / "cifar", ratios=("0.3", "0.7")), tmp_path / "run", labels=LABELS
    )
    np.testing.assert_array_equal(run.design.member, BALANCED)


def _changed(**changes):
    def harm(folder):
        file = folder / "0.5" / "2" / "aux_arrays.npz"
        with np.load(file) as archive:
            arrays = dict(archive)
        np.savez(file, **{**arrays, **{name: change(arrays) for name, change in changes.items()}})

    return harm


def _everything(folder):
    _changed(
        index_train=lambda a: np.arange(EXAMPLES),
        subsample_idx=lambda a: np.arange(EXAMPLES),
        correctness_train=lambda a: np.ones(EXAMPLES, bool),
        index_removed=lambda a: np.zeros(0, int),
        correctness_removed=lambda a: np.zeros(0, bool),
    )(folder)


RUN_FAULTS = {
    "nothing": (lambda f: [file.unlink() for file in f.rglob("*.npz")], r"no 'aux_arrays\.npz' below .* Hint"),
    "lengths": (_changed(correctness_train=lambda a: a["correctness_train"][1:]), "arrays of 'train' in .* do not fit"),
    "twice": (
        _changed(index_removed=lambda a: np.zeros_like(a["index_removed"])),
        "must answer for each of 60 examples once; it has 60 answers for",
    ),
    "subsample": (
        _changed(subsample_idx=lambda a: a["index_removed"]),
        "other examples in 'index_train' than in 'subsam",
    ),
    "all members": (_everything, "model '0.5/2' was trained on every example of 60"),
    "tests": (
        _changed(index_test=lambda a: np.arange(4), correctness_test=lambda a: np.ones(4, bool)),
        r"differ in their number of test examples: \[4, 9\]",
    ),
    "not a number": (
        _changed(correctness_train=lambda a: a["correctness_train"] * np.nan),
        r"'outputs\.correct' must be 0 or 1",
    ),
    "pickled": (_changed(index_test=lambda a: a["index_test"].astype(object)), "Hint: .*byrote unpickles nothing"),
}


@pytest.mark.parametrize("name", RUN_FAULTS)
def test_runs_that_do_not_fit(tmp_path, name):
    harm, sentence = RUN_FAULTS[name]
    folder = aux_arrays(tmp_path / "cifar")
    harm(folder)
    with pytest.raises(BadInput, match=sentence):
        read("feldman_zhang_runs", folder, tmp_path / "run", labels=LABELS)
    assert not (tmp_path / "run").exists()


def test_runs_of_another_dataset(tmp_path):
    folder = aux_arrays(tmp_path / "cifar")
    with pytest.raises(BadInput, match=r"each of 59 examples once; it has 60 answers for 60 examples\. Hint"):
        read("feldman_zhang_runs", folder, tmp_path / "run", labels=LABELS[:-1])
    with pytest.raises(BadInput, match="carry no labels"):
        read("feldman_zhang_runs", folder, tmp_path / "run")
