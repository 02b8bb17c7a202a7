from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from byrote.runs.run import Run
from byrote.studies.smoothed_labels import gained
from studies.tiny import tried


def test_by_hand() -> None:
    smoothed, one_hot = np.array([[1, 1, 1, 0], [1, 0, 0, 0]], bool), np.array([[1, 0, 0, 0], [1, 1, 0, 0]], bool)
    assert gained(smoothed, one_hot) == pytest.approx([0.5, -0.25])


@pytest.mark.slow
def test_on_points_the_arms_differ_in_smoothing_alone(tmp_path: Path) -> None:
    assert np.isfinite(tried("O38", tmp_path).effect.value)
    recipes = [Run.open(tmp_path / name).manifest.identity["recipe"] for name in ("smoothed", "one-hot")]
    assert [one["objective"]["label_smoothing"] for one in recipes] == [0.3, 0.0]
    assert recipes[0] | {"objective": None} == recipes[1] | {"objective": None}
