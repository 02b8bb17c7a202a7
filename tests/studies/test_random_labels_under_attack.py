from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from byrote.studies.random_labels_under_attack import more_fitted
from studies.tiny import tried


def test_by_hand() -> None:
    trades, pgd = np.array([[1, 1, 1, 0], [1, 0, 0, 0]], bool), np.array([[1, 0, 0, 0], [1, 1, 0, 0]], bool)
    assert more_fitted(trades, pgd) == pytest.approx([0.5, -0.25])


@pytest.mark.slow
def test_on_points(tmp_path: Path) -> None:
    assert np.isfinite(tried("R73", tmp_path).effect.value)
