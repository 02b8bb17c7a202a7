from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from byrote.studies.harder_memorized import blended, with_share
from studies.tiny import points, tried


def test_blends_with_more_of_another_class_do_not_count() -> None:
    share = np.array([0.1, 0.2, 0.4, 0.6, 0.9])
    assert with_share(np.array([[0.0, 0.5, 0.6, 0.1, 0.0]]), share) == pytest.approx([1.0])


def test_inputs_are_blended_and_labels_stay() -> None:
    data = points()
    made, rows, share = blended(data, np.random.default_rng(0))
    assert len(rows) == 25
    assert (made.targets == data.targets).all()
    assert (
        made.inputs[np.setdiff1d(np.arange(len(data)), rows)] == data.inputs[np.setdiff1d(np.arange(len(data)), rows)]
    ).all()
    other = (made.inputs[rows] - (1 - share[:, None]) * data.inputs[rows]) / share[:, None]
    likely = np.flatnonzero(share > 0.3)
    apart = np.linalg.norm(other[likely, None] - data.inputs, axis=2)
    assert apart.min(1).max() < 1e-4
    assert (data.targets[apart.argmin(1)] != data.targets[rows[likely]]).all()


def test_on_points(tmp_path: Path) -> None:
    assert np.isfinite(tried("R96", tmp_path).effect.value)
