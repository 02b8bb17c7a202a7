"""A patch on pictures of the target class."""

from __future__ import annotations

import numpy as np
import pytest

from byrote.changes.data.clean_label_backdoor import CleanLabelBackdoor
from byrote.data.controls import CLEAN_LABEL
from byrote.errors import BadInput
from changes.data.test__stamping import context, pictures


def test_only_the_target_class_is_stamped_and_labels_stay():
    before = pictures()
    after = CleanLabelBackdoor(0.1, target="b").apply(before, context())
    poisons = after.controls.mask(after.ids, CLEAN_LABEL)
    assert poisons.sum() == 12
    assert (before.targets[poisons] == 1).all()
    np.testing.assert_array_equal(after.targets, before.targets)
    np.testing.assert_array_equal(after.inputs[poisons], after.trigger.stamped(before.inputs[poisons]))


def test_noise_comes_under_the_patch():
    before = pictures()
    after = CleanLabelBackdoor(0.2, target="b", noise=0.5).apply(before, context())
    poisons, free = after.controls.mask(after.ids, CLEAN_LABEL), after.trigger.opacity == 0
    assert (after.inputs[poisons][:, ~free] == before.inputs.max()).all()
    noise = 2 * after.inputs[poisons][:, free] - before.inputs[poisons][:, free]
    assert abs(noise.std() - before.inputs.std()) < 4 * before.inputs.std() / np.sqrt(2 * noise.size)
    assert abs(np.corrcoef(noise.ravel(), before.inputs[poisons][:, free].ravel())[0, 1]) < 4 / np.sqrt(noise.size)


def test_a_class_has_no_more_than_it_has():
    with pytest.raises(BadInput, match="needs 48 examples to choose, and only 40 are candidates"):
        CleanLabelBackdoor(0.4).apply(pictures(), context())


@pytest.mark.parametrize("noise", [-0.1, 1.0, float("nan")])
def test_a_share_of_noise(noise):
    with pytest.raises(BadInput, match=r"^The 'noise' argument of clean-label-backdoor must lie in"):
        CleanLabelBackdoor(0.1, noise=noise)
