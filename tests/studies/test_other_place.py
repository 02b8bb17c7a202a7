from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import byrote
from byrote.studies.other_place import elsewhere, other_architecture, profiles
from studies.tiny import RECIPE, bench_of, points, tried


def test_shares_by_depth() -> None:
    stored = np.array([[0.4, 0.1, 0.3, -0.5, 0.2, 0.2]])[..., None]
    # means of layers 1 and 2, 3 and 4, 5 and 6: .25, .15 and .2
    assert profiles(stored)[0] == pytest.approx([5 / 12, 3 / 12, 4 / 12])
    assert np.isnan(profiles(stored[:, :2])).all()
    assert np.isnan(profiles(-np.ones((1, 3, 1)))).all()


def test_architectures_that_lie_apart() -> None:
    first, last = np.array([1.0, 0.0, 0.0]), np.array([0.0, 0.0, 1.0])
    assert elsewhere(np.stack([first] * 4), np.stack([last] * 4)) == pytest.approx([1.0, 1.0])
    mixed = np.stack([first, last])
    assert elsewhere(mixed, mixed) == pytest.approx([0.5 - 1.0])  # four across: 0 1 1 0; within: 1 and 1


def test_another_architecture_than_ones_own(tmp_path: Path) -> None:
    cnn = replace(RECIPE, network=byrote.SmallCNN(width=4))
    images = byrote.from_arrays(np.zeros((120, 1, 8, 8), np.float32), np.arange(120) % 3, name="images")
    assert isinstance(other_architecture(bench_of("O14", tmp_path, recipe=cnn)).network, byrote.MLP)
    assert isinstance(other_architecture(bench_of("O14", tmp_path, data=images)).network, byrote.SmallCNN)


@pytest.mark.slow
def test_on_images(tmp_path: Path) -> None:
    rows = points(360, inputs=36)
    data = rows.replace(inputs=rows.inputs.reshape(-1, 1, 6, 6))
    found = tried("O14", tmp_path, units=3, data=data, recipe=replace(RECIPE, epochs=40))
    assert np.isfinite(found.effect.value)
