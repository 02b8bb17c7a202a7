from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from byrote.studies.paths_align import risen
from studies.tiny import tried


def test_by_hand() -> None:
    alike = np.array([[0.5, 0.6, 0.8, 0.0], [0.5, 0.4, 0.2, 0.9]])
    assert risen(alike, np.array([0, 1, 2, 20])) == pytest.approx([0.2, -0.2])
    assert np.isnan(risen(alike, np.array([1, 2, 4, 20]))).all()


def test_on_points(tmp_path: Path) -> None:
    assert np.isfinite(tried("R95", tmp_path).effect.value)
