from types import SimpleNamespace

import numpy as np

from byrote.changes.data.out_of_distribution import OutOfDistribution, from_marginals
from byrote.data import from_arrays


def context(seed=0):
    return SimpleNamespace(rng=np.random.default_rng(seed))


def plain():
    inputs = np.arange(100, dtype=np.float32)[:, None] * np.array([1, -1], np.float32)
    return from_arrays(inputs, np.arange(100) % 4, name="plain", groups=np.arange(100) // 5)


def test_new_examples_are_appended_and_remembered():
    after = OutOfDistribution(0.05).apply(plain(), context())
    assert after.ids[100:].tolist() == ["ood-0000", "ood-0001", "ood-0002", "ood-0003", "ood-0004"]
    assert after.groups[100:].tolist() == after.ids[100:].tolist()
    assert after.controls.example.tolist() == after.ids[100:].tolist()
    assert set(after.controls.original) == {""}
    assert after.controls.kinds() == ("out_of_distribution",)


def test_marginals_are_kept_and_the_joint_is_destroyed():
    rng = np.random.default_rng(0)
    drawn = np.stack([from_marginals(plain().inputs, rng=rng) for _ in range(500)])
    assert set(drawn[:, 0]) <= set(plain().inputs[:, 0])
    assert set(drawn[:, 1]) <= set(plain().inputs[:, 1])
    # mean of 0..99 is 49.5, its standard deviation 28.87: the mean of 500 draws errs by 1.29
    np.testing.assert_allclose(drawn.mean(axis=0), [49.5, -49.5], atol=5 * 1.29)
    assert abs(np.corrcoef(drawn.T)[0, 1]) < 5 / np.sqrt(500)  # it was -1


def test_features_of_images_are_drawn_in_place():
    inputs = np.broadcast_to(np.arange(48.0).reshape(1, 3, 4, 4), (5, 3, 4, 4)).astype(np.float32)
    assert np.array_equal(from_marginals(inputs, rng=np.random.default_rng(0)), inputs[0])


def test_labels_are_uniform():
    # 50 labels, 2,000 times in all: each of 4 classes 500, standard deviation 19.4
    drawn = [OutOfDistribution(0.5).apply(plain(), context(seed)).targets[100:] for seed in range(40)]
    assert np.all(np.abs(np.bincount(np.concatenate(drawn), minlength=4) - 500) < 5 * 19.4)


def test_without_them_all_is_as_before():
    after = OutOfDistribution(0.2).apply(plain(), context())
    kept = after.subset(~after.controls.mask(after.ids, "out_of_distribution"))
    assert kept.fingerprint() == plain().fingerprint()


def test_planted_again_they_get_other_ids():
    twice = OutOfDistribution(0.02).apply(OutOfDistribution(0.02).apply(plain(), context()), context())
    assert twice.ids[100:].tolist() == ["ood-0000", "ood-0001", "ood-0000-2", "ood-0001-2"]


def test_the_same_generator_plants_the_same():
    first, second, other = (OutOfDistribution(0.2).apply(plain(), context(seed)) for seed in (3, 3, 4))
    assert first.fingerprint() == second.fingerprint() != other.fingerprint()
