from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import byrote
from byrote.errors import BadInput
from byrote.studies.not_only_deep import before_the_last
from studies.tiny import RECIPE, points, tried


def test_by_hand() -> None:
    stored = np.array([[[0.5, 0.3], [0.25, 0.25], [0.25, 0.05]], [[0.0, 0.0], [0.0, 0.0], [0.5, 0.5]]])
    assert before_the_last(stored) == pytest.approx([0.5, -0.5])


def test_on_points(tmp_path: Path) -> None:
    assert np.isfinite(
        tried("O15", tmp_path, data=points(300, inputs=24), recipe=replace(RECIPE, epochs=30)).effect.value
    )


def test_a_single_layer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="one layer"):
        tried("O15", tmp_path, recipe=replace(RECIPE, network=byrote.MLP(hidden=()), epochs=2))
