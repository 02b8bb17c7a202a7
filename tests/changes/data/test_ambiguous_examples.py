from types import SimpleNamespace

import numpy as np
import pytest

from byrote.changes.data.ambiguous_examples import AmbiguousExamples
from byrote.data import from_arrays
from byrote.data.controls import OUT_OF_DISTRIBUTION, planted
from byrote.errors import BadInput


def context(seed=0):
    return SimpleNamespace(rng=np.random.default_rng(seed))


def test_an_ambiguous_example_is_halfway_to_another_class():
    inputs = np.arange(30, dtype=np.float64)[:, None] ** 2  # every mean of two is told by its value
    before = from_arrays(inputs, np.arange(30) % 3, name="rows", class_names=("a", "b", "c"))
    after = AmbiguousExamples(0.3).apply(before, context())
    rows = np.flatnonzero(after.controls.mask(after.ids, "ambiguous"))
    assert len(rows) == 9
    np.testing.assert_array_equal(after.targets, before.targets)
    untouched = np.setdiff1d(np.arange(30), rows)
    np.testing.assert_array_equal(after.inputs[untouched], before.inputs[untouched])
    other_class = dict(zip(after.controls.example, after.controls.original, strict=True))
    for row in rows:
        other = np.flatnonzero(np.isclose(before.inputs[:, 0], 2 * after.inputs[row, 0] - before.inputs[row, 0]))
        assert len(other) == 1
        assert before.class_names[before.targets[other[0]]] == other_class[after.ids[row]]
        assert before.targets[other[0]] != before.targets[row]


def test_one_class_alone_cannot_be_ambiguous():
    plain = from_arrays(np.zeros((9, 1)), np.arange(9) // 8, name="one", class_names=("a", "b"))
    plain = plain.replace(controls=planted(OUT_OF_DISTRIBUTION, plain.ids[8:], [""]))
    with pytest.raises(BadInput, match="needs examples of two classes"):
        AmbiguousExamples(0.5).apply(plain, context())
