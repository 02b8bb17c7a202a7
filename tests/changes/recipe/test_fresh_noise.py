"""Noise that is drawn anew at every step."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import byrote
from byrote.changes.change import Context
from byrote.changes.recipe.fresh_noise import FreshNoise
from byrote.errors import BadInput
from changes.data.test__stamping import pictures
from small import blobs


def of(data):
    return Context(dataset=data, rng=np.random.default_rng(0))


def test_a_recipe_gets_noise_of_the_datas_level():
    data = pictures()
    changed = FreshNoise(0.25).apply(byrote.Recipe(network=byrote.MLP()), of(data))
    inputs = torch.from_numpy(np.array(data.inputs))
    first, second = (changed.augmentation.apply(inputs, torch.rand(len(inputs), 1)) for _ in range(2))
    noise = ((first - 0.75 * inputs) / 0.25).numpy()
    # 3,600 numbers
    assert abs(noise.mean() - data.inputs.mean()) < 4 * data.inputs.std() / np.sqrt(3600)
    assert abs(noise.std() - data.inputs.std()) < 4 * data.inputs.std() / np.sqrt(7200)
    assert not torch.equal(first, second)


def test_rows_are_refused():
    with pytest.raises(BadInput, match=r"^fresh-noise draws one kind of noise for all pixels"):
        FreshNoise().apply(byrote.Recipe(network=byrote.MLP()), of(blobs()))


@pytest.mark.parametrize("share", [0.0, 1.0, float("nan")])
def test_a_share_of_noise(share):
    with pytest.raises(BadInput, match=r"^The 'share' argument of fresh-noise"):
        FreshNoise(share)
