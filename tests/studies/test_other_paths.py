from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from byrote.studies.other_paths import less_shared
from studies.tiny import tried


def test_by_hand() -> None:
    noisy = np.array([True, True, False, False])
    own = np.array([[0.2, 0.4, 0.5, 0.9]] * 3)
    same = np.array([[0.1, 0.1, 0.2, 0.2]] * 3)
    compared = np.array([[1, 1, 1, 0]] * 3, bool)
    assert less_shared(own, same, compared, noisy) == pytest.approx([0.3 - 0.2] * 3)
    assert np.isnan(less_shared(own, same, compared & noisy, noisy)).all()


def test_on_points(tmp_path: Path) -> None:
    assert np.isfinite(tried("R25", tmp_path).effect.value)
