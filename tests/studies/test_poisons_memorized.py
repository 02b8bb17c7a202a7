from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from byrote.studies.poisons_memorized import beyond_clean
from studies.tiny import tried


def test_the_less_memorized_poison_counts() -> None:
    flips, noise = np.array([[0.8, 0.6], [0.2, 0.2]]), np.array([[0.4], [0.9]])
    clean = np.array([[0.0, 0.1, 0.2], [0.1, 0.1, 0.1]])
    assert beyond_clean(flips, noise, clean) == pytest.approx([0.3, 0.1])


def test_on_points(tmp_path: Path) -> None:
    assert np.isfinite(tried("O35", tmp_path).effect.value)
