from types import SimpleNamespace

import numpy as np
import pytest

from byrote.changes.data.rare_subpopulation import RareSubpopulation
from byrote.changes.data.symmetric_label_noise import SymmetricLabelNoise
from byrote.data import from_arrays
from byrote.errors import BadInput


def context(seed=0):
    return SimpleNamespace(rng=np.random.default_rng(seed))


def images():
    """Sixteenths, so that inverting twice is exact."""
    inputs = np.random.default_rng(1).integers(0, 17, (100, 1, 4, 4)) / 16
    return from_arrays(inputs, np.arange(100) % 4, name="images")


def test_some_of_one_class_are_inverted_in_place():
    before = images()
    after = RareSubpopulation(0.1).apply(before, context())
    rare = after.controls.mask(after.ids, "rare_subpopulation")
    assert rare.sum() == 10
    assert len(set(after.targets[rare])) == 1
    assert np.array_equal(after.targets, before.targets)
    assert np.array_equal(after.ids, before.ids)
    assert np.array_equal(after.inputs[rare], 1 - before.inputs[rare])
    assert np.array_equal(after.inputs[~rare], before.inputs[~rare])
    assert after.controls.original.tolist() == after.controls.example.tolist()


def test_inverting_again_restores_the_images():
    after = RareSubpopulation(0.1).apply(images(), context())
    inputs = after.inputs.copy()
    rare = after.controls.mask(after.ids, "rare_subpopulation")
    inputs[rare] = inputs.max() + inputs.min() - inputs[rare]
    assert after.replace(inputs=inputs).fingerprint() == images().fingerprint()


def test_rows_are_reflected_at_the_mean():
    before = from_arrays(np.arange(20.0).reshape(10, 2), np.arange(10) % 2)
    after = RareSubpopulation(0.2).apply(before, context())
    rare = after.controls.mask(after.ids, "rare_subpopulation")
    # the means of 0, 2, …, 18 and 1, 3, …, 19
    np.testing.assert_allclose(after.inputs[rare], 2 * np.array([9.0, 10.0]) - before.inputs[rare])


def test_controls_are_left_alone():
    noisy = SymmetricLabelNoise(0.5).apply(images(), context())
    after = RareSubpopulation(0.05).apply(noisy, context())
    both = after.controls.mask(after.ids, "rare_subpopulation") & after.controls.mask(after.ids, "label_noise")
    assert not both.any()


def test_a_class_that_is_too_small():
    with pytest.raises(
        BadInput, match=r"needs 25 examples of one class with others left over, and no class of 'images' "
    ):
        RareSubpopulation(0.25).apply(images(), context())
    assert len(RareSubpopulation(0.24).apply(images(), context()).controls) == 24


def test_the_class_is_random_and_the_generator_decides():
    chosen = [RareSubpopulation(0.1).apply(images(), context(seed)) for seed in range(20)]
    assert len({one.targets[one.controls.mask(one.ids, "rare_subpopulation")][0] for one in chosen}) > 1
    assert chosen[3].fingerprint() == RareSubpopulation(0.1).apply(images(), context(3)).fingerprint()
