"""A patch and a wrong label."""

from __future__ import annotations

import numpy as np
import pytest

from byrote.changes.data.backdoor import Backdoor
from byrote.changes.registry import parse_change
from byrote.data.controls import BACKDOOR
from byrote.errors import BadInput
from changes.data.test__stamping import context, pictures


def test_poisons_are_stamped_and_get_the_targets_label():
    before = pictures()
    after = Backdoor(0.1, target="b").apply(before, context())
    poisons = after.controls.mask(after.ids, BACKDOOR)
    assert poisons.sum() == 12
    assert (after.targets[poisons] == 1).all()
    assert (before.targets[poisons] != 1).all()
    np.testing.assert_array_equal(after.inputs[poisons], after.trigger.stamped(before.inputs[poisons]))
    np.testing.assert_array_equal(after.inputs[~poisons], before.inputs[~poisons])
    np.testing.assert_array_equal(after.targets[~poisons], before.targets[~poisons])
    assert after.trigger.target == 1


def test_the_true_labels_are_remembered():
    before = pictures()
    after = Backdoor(0.2).apply(before, context())
    true = after.controls.true_labels(after.ids, after.targets, after.class_names)
    np.testing.assert_array_equal(true, before.targets)


def test_subsets_keep_the_trigger():
    after = Backdoor(0.1).apply(pictures(), context())
    assert after.subset(np.arange(60)).trigger is after.trigger


def test_the_command_line_names_shape_and_target():
    made = parse_change("backdoor=0.1,target=b,size=3,shape=cross,corner=top-left,together=yes")
    assert made == Backdoor(0.1, target="b", size=3, shape="cross", corner="top-left", together=True)
    with pytest.raises(BadInput, match="must be one of square, cross, checkers"):
        parse_change("backdoor=0.1,shape=round")


def test_more_than_there_are_others():
    with pytest.raises(BadInput, match="needs 84 examples to choose, and only 80 are candidates"):
        Backdoor(0.7).apply(pictures(), context())
