from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from byrote.studies.noise_memorized import SHARES, rise, with_noise
from studies.tiny import points, tried


def test_it_is_the_smaller_of_the_two_rises() -> None:
    little, half, whole = np.array([[0.0, 0.2], [0.0, 0.0]]), np.array([[0.4, 0.4], [0.1, 0.1]]), np.full((2, 1), 0.5)
    assert rise(little, half, whole) == pytest.approx([0.1, 0.1])


def test_each_share_has_rows_of_its_own() -> None:
    data = points()
    made, rows = with_noise(data, 0)
    assert [len(one) for one in rows] == [5, 5, 5]
    assert len(np.unique(np.concatenate(rows))) == 15
    clean = np.setdiff1d(np.arange(len(data)), np.concatenate(rows))
    np.testing.assert_array_equal(made.inputs[clean], data.inputs[clean])
    noise = [
        (made.inputs[one] - (1 - share) * data.inputs[one]) / share for one, share in zip(rows, SHARES, strict=True)
    ]
    for one in noise:
        assert 0.5 < one.std() / np.asarray(data.inputs).std() < 1.5


def test_on_points(tmp_path: Path) -> None:
    assert np.isfinite(tried("R68", tmp_path).effect.value)
