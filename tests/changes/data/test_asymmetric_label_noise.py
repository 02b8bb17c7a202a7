from types import SimpleNamespace

import numpy as np
import pytest

from byrote.changes.data.asymmetric_label_noise import AsymmetricLabelNoise, nearest_class
from byrote.data import from_arrays
from byrote.errors import BadInput


def context(seed=0):
    return SimpleNamespace(rng=np.random.default_rng(seed))


def line():
    """Four classes at 0, 1, 3 and 10 on a line: the nearest others are 1, 0, 1 and 3 by position."""
    labels = np.repeat(["at0", "at1", "at3", "at9"], 25)
    at = np.repeat([0.0, 1.0, 3.0, 9.0], 25) + np.tile(np.linspace(-0.1, 0.1, 25), 4)
    return from_arrays(at[:, None], labels, name="line")


def test_each_class_goes_to_its_nearest():
    before = line()
    assert nearest_class(before).tolist() == [1, 0, 1, 2]
    after = AsymmetricLabelNoise(0.4).apply(before, context())
    noisy = after.controls.mask(after.ids, "label_noise")
    assert noisy.sum() == 40
    assert np.array_equal(noisy, after.targets != before.targets)
    assert np.array_equal(after.targets[noisy], np.array([1, 0, 1, 2])[before.targets[noisy]])


def test_a_mapping_decides():
    before = line()
    after = AsymmetricLabelNoise(0.1, {"at0": "at9"}).apply(before, context())
    noisy = after.controls.mask(after.ids, "label_noise")
    assert noisy.sum() == 10
    assert set(before.targets[noisy]) == {0}
    assert set(after.targets[noisy]) == {3}
    assert set(after.controls.original) == {"at0"}


def test_the_original_labels_can_be_restored():
    after = AsymmetricLabelNoise(0.2).apply(line(), context())
    targets = after.targets.copy()
    targets[after.index_of(after.controls.example)] = [after.class_names.index(c) for c in after.controls.original]
    assert after.replace(targets=targets).fingerprint() == line().fingerprint()


def test_the_same_generator_plants_the_same():
    first, second, other = (AsymmetricLabelNoise(0.2).apply(line(), context(seed)) for seed in (3, 3, 4))
    assert first.fingerprint() == second.fingerprint() != other.fingerprint()


def test_a_class_without_examples_is_no_neighbour():
    before = from_arrays([[0.0], [4.0], [5.0]], [0, 2, 3], class_names=("a", "b", "c", "d"))
    assert nearest_class(before).tolist() == [2, -1, 3, 2]


def test_mappings_that_do_not_fit():
    with pytest.raises(BadInput, match=r"must name classes\. Got 'cat'\. Hint: the classes are at0, at1, at3, at9\."):
        AsymmetricLabelNoise(0.1, {"cat": "at0"}).apply(line(), context())
    with pytest.raises(BadInput, match=r"must change labels\. Got 'at0' twice\."):
        AsymmetricLabelNoise(0.1, {"at0": "at0"}).apply(line(), context())
    with pytest.raises(BadInput, match="needs 50 examples to choose, and only 25 are candidates"):
        AsymmetricLabelNoise(0.5, {"at0": "at1"}).apply(line(), context())


def test_a_change_with_a_mapping_can_be_hashed():
    assert hash(AsymmetricLabelNoise(0.1, {"a": "b"})) == hash(AsymmetricLabelNoise(0.1))
