"""A faint picture over the whole input."""

from __future__ import annotations

import numpy as np
import pytest

from byrote.changes.data.blended_backdoor import BlendedBackdoor
from byrote.data.controls import BACKDOOR
from byrote.errors import BadInput
from changes.data.test__stamping import context, pictures


def test_one_key_is_blended_into_every_poison():
    before = pictures()
    after = BlendedBackdoor(0.1, target="c", opacity=0.25).apply(before, context())
    poisons = after.controls.mask(after.ids, BACKDOOR)
    keys = (after.inputs[poisons] - 0.75 * before.inputs[poisons]) / 0.25
    np.testing.assert_allclose(keys, np.broadcast_to(keys[0], keys.shape), atol=1e-5)
    assert before.inputs.min() - 1e-5 <= keys.min() < keys.max() <= before.inputs.max() + 1e-5
    assert (after.targets[poisons] == 2).all()
    np.testing.assert_array_equal(after.inputs[~poisons], before.inputs[~poisons])


@pytest.mark.parametrize("opacity", [0.0, 1.0, 1.5, float("nan")])
def test_an_opacity_lies_between_none_and_all(opacity):
    with pytest.raises(BadInput, match=r"^The 'opacity' argument of blended-backdoor must lie in"):
        BlendedBackdoor(0.1, opacity=opacity)
