from types import SimpleNamespace

import numpy as np
import pytest

from byrote.changes.data.exact_duplicates import ExactDuplicates
from byrote.changes.data.symmetric_label_noise import SymmetricLabelNoise
from byrote.data import from_arrays
from byrote.errors import BadInput


def context(seed=0):
    return SimpleNamespace(rng=np.random.default_rng(seed))


def plain(n=200, classes=5):
    rng = np.random.default_rng(1)
    return from_arrays(rng.random((n, 3), np.float32), np.arange(n) % classes, name="plain")


def test_exactly_so_many_labels_differ():
    before = plain()
    after = SymmetricLabelNoise(0.1).apply(before, context())
    noisy = after.controls.mask(after.ids, "label_noise")
    assert noisy.sum() == 20
    assert np.array_equal(noisy, after.targets != before.targets)
    assert np.array_equal(after.inputs, before.inputs)
    assert after.fingerprint() != before.fingerprint()


def test_the_original_labels_can_be_restored():
    before = plain()
    after = SymmetricLabelNoise(0.3).apply(before, context())
    targets = after.targets.copy()
    positions = after.index_of(after.controls.example)
    targets[positions] = [after.class_names.index(name) for name in after.controls.original]
    assert after.replace(targets=targets).fingerprint() == before.fingerprint()


def test_the_same_generator_plants_the_same():
    first, second, other = (SymmetricLabelNoise(0.1).apply(plain(), context(seed)) for seed in (3, 3, 4))
    assert first.fingerprint() == second.fingerprint() != other.fingerprint()


def test_the_other_classes_are_alike():
    # about 9,000 wrong labels over 3 other classes: 3,000 each, standard deviation 44.7; five of them allowed
    before = from_arrays(np.zeros((20_000, 1)), np.repeat([0, 1, 2, 3], [19_997, 1, 1, 1]))
    after = SymmetricLabelNoise(0.45).apply(before, context())
    counts = np.bincount(after.targets[after.controls.mask(after.ids, "label_noise")], minlength=4)
    assert counts[0] <= 3
    assert np.all(np.abs(counts[1:] - 3_000) < 5 * 44.7)


def test_controls_and_originals_of_copies_are_left_alone():
    copied = ExactDuplicates(0.4).apply(plain(), context())
    after = SymmetricLabelNoise(0.4).apply(copied, context())
    noisy = set(after.ids[after.controls.mask(after.ids, "label_noise")])
    copies = after.controls.kind == "exact_duplicate"
    assert len(noisy) == 112
    assert not noisy & set(after.controls.example[copies])
    assert not noisy & set(after.controls.original[copies])


def test_too_few_candidates():
    noisy = SymmetricLabelNoise(0.9).apply(plain(), context())
    with pytest.raises(BadInput, match="label-noise needs 100 examples to choose, and only 20 are candidates"):
        SymmetricLabelNoise(0.5).apply(noisy, context())


def test_an_amount_that_is_none():
    with pytest.raises(BadInput) as caught:
        SymmetricLabelNoise(0.001).apply(plain(), context())
    assert str(caught.value) == (
        "label-noise would plant 0 examples: 0.001 of the 200 examples of 'plain' rounds to 0. "
        "Hint: use an amount of at least 0.005."
    )
