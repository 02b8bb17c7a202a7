from types import SimpleNamespace

import numpy as np

from byrote.changes.data.exact_duplicates import ExactDuplicates
from byrote.data import from_arrays


def context(seed=0):
    return SimpleNamespace(rng=np.random.default_rng(seed))


def plain():
    rng = np.random.default_rng(1)
    groups = [f"person-{i // 2}" for i in range(50)]
    return from_arrays(rng.random((50, 3), np.float32), np.arange(50) % 5, name="plain", groups=groups)


def test_copies_are_appended_and_remembered():
    before = plain()
    after = ExactDuplicates(0.2).apply(before, context())
    assert len(after) == 60
    copies = after.subset(after.controls.mask(after.ids, "exact_duplicate"))
    assert copies.ids.tolist() == after.ids[50:].tolist()
    assert copies.ids.tolist() == [f"copy-of-{original}" for original in after.controls.original]
    originals = before.subset(before.index_of(after.controls.original))
    assert np.array_equal(copies.inputs, originals.inputs)
    assert np.array_equal(copies.targets, originals.targets)
    assert np.array_equal(copies.groups, originals.groups)


def test_without_the_copies_all_is_as_before():
    after = ExactDuplicates(0.2).apply(plain(), context())
    kept = after.subset(~after.controls.mask(after.ids, "exact_duplicate"))
    assert kept.fingerprint() == plain().fingerprint()
    assert len(kept.controls) == 0


def test_repeated_copies_have_ids_of_their_own():
    twice = ExactDuplicates(0.2).apply(ExactDuplicates(0.2).apply(plain(), context()), context())
    assert len(twice) == 72
    assert len(set(twice.ids)) == 72
    assert len(set(twice.controls.original)) == 22


def test_an_id_that_exists_already_is_not_taken():
    ids = ["a", "copy-of-a", "b", "copy-of-b"]
    before = from_arrays(np.eye(4), [0, 1, 0, 1], ids=ids)
    after = ExactDuplicates(0.99).apply(before, context())
    assert sorted(after.ids[4:]) == ["copy-of-a-2", "copy-of-b-2", "copy-of-copy-of-a", "copy-of-copy-of-b"]


def test_the_same_generator_plants_the_same():
    first, second, other = (ExactDuplicates(0.2).apply(plain(), context(seed)) for seed in (3, 3, 4))
    assert first.fingerprint() == second.fingerprint() != other.fingerprint()
