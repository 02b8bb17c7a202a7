from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import byrote
from byrote.errors import BadInput
from byrote.studies.shallow_alike import least_index, shallow_more
from studies.tiny import RECIPE, tried


def test_the_least_of_the_indices_counts() -> None:
    likeness = np.zeros((3, 4, 2, 3))
    likeness[:, :, 1, 0], likeness[:, :, 1, 2] = 0.9, 0.4  # rises by .5 more in the first layer
    likeness[1, :, 1, 2] = 0.8  # by .1 more, as one index sees it
    likeness[2, :, 0, 0] = 0.2  # by .3 more
    assert shallow_more(likeness) == pytest.approx([0.1] * 4)


def test_models_count_with_what_they_contribute() -> None:
    shared = np.array([[0.9, 0.9, 0.9], [0.5, 0.6, 0.7]])
    assert least_index(shared) == pytest.approx([0.2, 0.6, 1.0])


def test_on_points(tmp_path: Path) -> None:
    found = tried("O11", tmp_path)
    assert np.isfinite(found.effect.value)
    assert found.effect.models == 3


def test_a_single_hidden_layer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="fewer than two"):
        tried("O11", tmp_path, recipe=replace(RECIPE, network=byrote.MLP(hidden=(8,)), epochs=1))
