from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from byrote.studies.little_representative import distances, lonelier, of_class
from studies.tiny import points, tried


def test_ranks_are_taken_within_classes() -> None:
    assert of_class(np.array([5.0, 7.0, 100.0, 90.0, 95.0, np.nan]), np.array([0, 0, 1, 1, 1, 1])) == pytest.approx(
        [-0.25, 0.25, 1 / 3, -1 / 3, 0.0, np.nan], nan_ok=True
    )


def test_what_is_lonely_in_its_class_and_memorized() -> None:
    label = np.array([0, 0, 0, 1, 1, 1])
    distance = np.array([1.0, 2.0, 3.0, 10.0, 20.0, 30.0])
    memorized = np.array([[0.5, 0.6, 0.7, 0.0, 0.1, 0.2], [0.2, 0.1, 0.0, 0.7, 0.6, 0.5], [0.0] * 6])
    assert lonelier(memorized, distance, label) == pytest.approx([1.0, -1.0, np.nan], nan_ok=True)


def test_the_distance_is_to_others_of_the_class() -> None:
    data = points(30)
    found = distances(data)
    rows = np.flatnonzero(data.targets == data.targets[4])
    apart = np.sort(np.linalg.norm(data.inputs[rows].astype(float) - data.inputs[4], axis=1))
    assert found[4] == pytest.approx(apart[1:6].mean())


def test_on_points(tmp_path: Path) -> None:
    assert np.isfinite(tried("O5", tmp_path, units=3).effect.value)
