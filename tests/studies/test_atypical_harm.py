from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from byrote.studies.atypical_harm import atypical, corrupted
from studies.tiny import points, tried


def test_one_example_in_ten_of_each_class_is_blended_with_the_next_class_and_keeps_its_label() -> None:
    plain = points()
    made = atypical(plain, np.random.default_rng(0))
    np.testing.assert_array_equal(made.targets, plain.targets)
    moved = np.flatnonzero((made.inputs != plain.inputs).any(1))
    assert np.bincount(plain.targets[moved]).tolist() == [6, 6, 6]
    for row in moved:
        others = plain.inputs[plain.targets == (plain.targets[row] + 1) % 3]
        blends = 0.7 * others + 0.3 * plain.inputs[row]
        assert np.abs(blends - made.inputs[row]).max(1).min() < 1e-5


def test_by_hand() -> None:
    typical, others = np.array([[1, 1, 1, 0]], bool), np.array([[1, 0, 0, 0]], bool)
    assert corrupted(typical, others) == pytest.approx([0.5])


@pytest.mark.slow
def test_on_points(tmp_path: Path) -> None:
    assert np.isfinite(tried("O37", tmp_path).effect.value)
