import numpy as np
import pytest

from byrote.errors import BadInput
from byrote.runs.readers import read
from byrote.runs.readers.carlini_2019 import values
from runs.readers.folders import EXAMPLES, LABELS, ORDERS, rankings


def test_the_first_of_a_ranking_is_the_most_outlying(tmp_path):
    released = values(rankings(tmp_path / "r"), LABELS)
    assert set(released.results) == {f"carlini_2019.{metric}" for metric in ORDERS}
    for metric, order in ORDERS.items():
        found = released.results[f"carlini_2019.{metric}"]
        expected = [(EXAMPLES - 1 - order.tolist().index(n)) / (EXAMPLES - 1) for n in range(EXAMPLES)]
        np.testing.assert_allclose(found.values, expected)
        assert found.values[order[0]] == 1
        assert found.values[order[-1]] == 0
        assert np.isnan(found.stderr).all()


def test_a_run_of_rankings(tmp_path):
    run = read("carlini_2019", rankings(tmp_path / "r"), tmp_path / "run", labels=LABELS)
    assert sorted(path.stem for path in (run.folder / "results").iterdir()) == [
        "carlini_2019.adv",
        "carlini_2019.agr",
        "carlini_2019.priv",
    ]
    assert any("could not be checked" in note for note in run.manifest.notes)


FAULTS = {
    "none": (lambda f: [file.unlink() for file in f.glob("*_train.npy")], r"holds no ranking\. Hint: they are called"),
    "two datasets": (lambda f: np.save(f / "order_mnist_adv_train.npy", np.arange(3)), "rankings of several datasets"),
    "shorter": (lambda f: np.save(f / "order_cifar_adv_train.npy", np.arange(59)), "name each of 60 examples once"),
    "twice": (lambda f: np.save(f / "order_cifar_adv_train.npy", np.zeros(60, int)), "name each of 60 examples once"),
    "values": (lambda f: np.save(f / "order_cifar_adv_train.npy", np.full(60, np.nan)), "holds float64 of shape"),
    "pickled": (
        lambda f: np.save(f / "order_cifar_adv_train.npy", np.arange(60).astype(object), allow_pickle=True),
        "Hint: .*byrote unpickles nothing",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_rankings_that_do_not_fit(tmp_path, name):
    harm, sentence = FAULTS[name]
    folder = rankings(tmp_path / "r")
    harm(folder)
    with pytest.raises(BadInput, match=sentence):
        values(folder, LABELS)


def test_labels_are_needed(tmp_path):
    with pytest.raises(BadInput, match=r"carry no labels, and none were given\. Hint"):
        values(rankings(tmp_path / "r"), None)
