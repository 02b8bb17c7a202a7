"""Noise by share that stays."""

from __future__ import annotations

import numpy as np
import pytest

from byrote.changes.data.input_noise import InputNoise
from byrote.data.controls import INPUT_NOISE
from byrote.errors import BadInput
from changes.data.test__stamping import context, pictures


@pytest.mark.parametrize("share", [0.25, 0.5, 1.0])
def test_inputs_are_mixed_by_share_and_labels_stay(share):
    before = pictures(600)
    after = InputNoise(0.5, share).apply(before, context())
    chosen = after.controls.mask(after.ids, INPUT_NOISE)
    assert chosen.sum() == 300
    np.testing.assert_array_equal(after.targets, before.targets)
    np.testing.assert_array_equal(after.inputs[~chosen], before.inputs[~chosen])
    noise = (after.inputs[chosen] - (1 - share) * before.inputs[chosen]) / share
    # 9,000 numbers
    assert abs(noise.mean() - before.inputs.mean()) < 4 * before.inputs.std() / np.sqrt(9000)
    assert abs(noise.std() - before.inputs.std()) < 4 * before.inputs.std() / np.sqrt(18000)
    assert abs(np.corrcoef(noise.ravel(), before.inputs[chosen].ravel())[0, 1]) < 4 / np.sqrt(9000)


@pytest.mark.parametrize("share", [0.0, -0.5, 1.1, float("nan")])
def test_a_share_of_noise(share):
    with pytest.raises(BadInput, match=r"^The 'share' argument of input-noise"):
        InputNoise(0.1, share)
