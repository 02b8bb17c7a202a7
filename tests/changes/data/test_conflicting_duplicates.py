from types import SimpleNamespace

import numpy as np

from byrote.changes.data.conflicting_duplicates import ConflictingDuplicates
from byrote.changes.data.near_duplicates import SHIFTS, shifted
from byrote.data import from_arrays


def context(seed=0):
    return SimpleNamespace(rng=np.random.default_rng(seed))


def images():
    rng = np.random.default_rng(1)
    inputs = rng.random((60, 1, 8, 8), np.float32) * 5
    return from_arrays(inputs, np.arange(60) % 3, name="images", groups=np.arange(60) // 2)


def test_every_copy_is_near_its_original_under_another_label():
    after = ConflictingDuplicates(0.5).apply(images(), context())
    copies = after.subset(after.controls.mask(after.ids, "conflicting_duplicate"))
    originals = after.subset(after.index_of(after.controls.original))
    assert len(after) == 90
    assert len(copies) == 30
    assert (copies.targets != originals.targets).all()
    assert (copies.groups == originals.groups).all()
    for copy, original in zip(copies.inputs, originals.inputs, strict=True):
        errors = [np.sqrt(np.mean((copy - shifted(original, *shift)) ** 2)) / 5 for shift in SHIFTS]
        assert 0.012 < min(errors) < 0.03


def test_labels_are_drawn_from_all_other_classes_alike():
    plain = from_arrays(np.random.default_rng(0).random((4_000, 2)), np.arange(4_000) % 4, name="rows")
    after = ConflictingDuplicates(0.9).apply(plain, context())
    originals = after.targets[after.index_of(after.controls.original)]
    turned = (after.targets[4_000:] - originals) % 4
    assert np.abs(np.bincount(turned, minlength=4)[1:] / len(turned) - 1 / 3).max() < 0.04
