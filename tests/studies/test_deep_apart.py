from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from byrote.studies.deep_apart import apart
from studies.tiny import tried


def test_the_least_of_the_indices_counts() -> None:
    true = np.full((3, 4), 0.9)
    shuffled = np.array([[0.5], [0.7], [0.6]]) * np.ones(4)
    assert apart(true, shuffled) == pytest.approx([0.2] * 4)


def test_on_points(tmp_path: Path) -> None:
    assert np.isfinite(tried("O12", tmp_path).effect.value)
