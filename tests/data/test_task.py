import numpy as np
import pytest

from byrote.data.arrays import from_arrays
from byrote.data.dataset import notes
from byrote.data.learned.label_sets import ANOTHER, label_sets
from byrote.data.learned.numbers import Numbers, numbers_of
from byrote.data.split import split
from byrote.errors import BadInput

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3)).astype(np.float32)
TAGS = RNG.integers(0, 2, (40, 3))
PRICES = RNG.normal(100, 20, 40)


def refusal(targets, **said):
    with pytest.raises(BadInput) as caught:
        from_arrays(X, targets, **said)
    return str(caught.value)


def test_a_table_of_0_and_1_gives_labels():
    made = from_arrays(X, TAGS, class_names=("red", "round", "old"))
    assert (made.task, made.outputs, made.classes) == ("labels", 3, 3)
    assert repr(made).endswith("40 examples of 3, 3 labels)")
    np.testing.assert_array_equal(made.learned, TAGS.astype(np.float32))
    for row in range(40):  # by a slow loop: the name of the set tells its labels
        name = made.kind_names[made.kinds[row]]
        has = [one for one, there in zip(made.class_names, TAGS[row], strict=True) if there]
        assert name == (" + ".join(has) or "no label")


def test_a_set_that_training_does_not_know():
    known = label_sets(np.array([[1, 0], [0, 1], [1, 0]]), ("a", "b"))
    assert known.index(np.array([[0, 1], [1, 1], [0, 0]])).tolist() == [0, 2, 2]
    assert known.names[2] == ANOTHER


def test_numbers_are_learned_centred_and_told_by_fifths():
    made = from_arrays(X, PRICES, task="regression")
    assert (made.outputs, made.class_names, len(made.kind_names)) == (1, (), 5)
    np.testing.assert_allclose([made.learned.mean(), made.learned.std()], [0, 1], atol=1e-6)
    np.testing.assert_array_equal(np.bincount(made.kinds), [8] * 5)
    assert made.scale.tolerance == pytest.approx(PRICES.std() / 4)
    assert from_arrays(X, PRICES, task="regression", tolerance=3.0).scale.tolerance == 3.0


def test_few_different_numbers():
    found = numbers_of(np.array([0.0, 0.0, 0.0, 5.0]))
    assert found.index(np.array([0.0, 5.0])).tolist() == sorted(found.index(np.array([0.0, 5.0])).tolist())
    assert len(found.names) == len(found.edges) + 1


def test_the_scale_is_that_of_the_training_examples_and_stays():
    whole = from_arrays(X, PRICES, task="regression")
    held = np.arange(40) % 4 == 0
    made = split(whole, held)
    assert made.training.scale.mean == pytest.approx(PRICES[~held].mean())
    assert made.heldout.scale is made.training.scale
    assert made.training.subset(np.arange(5)).scale is made.training.scale
    kept = split(from_arrays(X, PRICES, task="regression", tolerance=3.0), held)
    assert kept.training.scale.tolerance == 3.0


def test_the_fingerprint_tells_tasks_and_tolerances_apart():
    whole = np.arange(40) % 5
    tasks = [
        from_arrays(X, whole),
        from_arrays(X, whole, task="regression"),
        from_arrays(X, whole, task="regression", tolerance=2.0),
    ]
    assert len({made.fingerprint() for made in tasks}) == 3


@pytest.mark.parametrize(
    ("targets", "said", "words"),
    [
        (2 * TAGS, {}, "labels that are neither 0 nor 1"),
        (np.eye(40)[:, :40], {}, "every example has just one of its labels"),
        (np.ones((40, 2)), {}, "every example has the same labels"),
        (TAGS, {"class_names": ("a", "b")}, "3 labels need as many different names, but there are 2"),
        (TAGS, {"task": "classes"}, "one target per example, but the targets have the shape (40, 3)"),
        (PRICES, {"task": "labels"}, "several labels are a table [example, label] of 0 and 1"),
        (PRICES, {}, "say task='regression'"),
        (np.full(40, 7.0), {"task": "regression"}, "every target is 7.0"),
        (np.where(np.arange(40) == 3, np.nan, PRICES), {"task": "regression"}, "1 number is missing"),
        (np.where(np.arange(40) == 3, np.inf, PRICES), {"task": "regression"}, "1 number is infinite"),
        (["a", "b"] * 20, {"task": "regression"}, "a regression learns numbers"),
        (PRICES, {"task": "regression", "class_names": ("a",)}, "numbers have no class names"),
        (PRICES, {"task": "regression", "tolerance": 0.0}, "a tolerance is a number above 0"),
        (TAGS, {"tolerance": 1.0}, "a tolerance is a number above 0 for a regression"),
    ],
)
def test_what_is_refused(targets, said, words):
    assert words in refusal(targets, **said)


def test_rare_labels_are_told_of():
    tags = np.zeros((40, 4), int)
    tags[:20, 0], tags[3, 1], tags[:, 3] = 1, 1, 1
    said = " ".join(notes(from_arrays(X, tags, class_names=("often", "once", "never", "always"))))
    assert "1 label has a single example: 'once'" in said
    assert "1 label has no example: 'never'" in said
    assert "Every example has the label 'always'" in said
    number = " ".join(notes(from_arrays(X, PRICES, task="regression", tolerance=2.0)))
    assert "misses it by at most 2 " in number
    assert isinstance(from_arrays(X, PRICES, task="regression").scale, Numbers)
