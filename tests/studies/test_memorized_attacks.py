from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from byrote.studies.memorized_attacks import more_memorized
from studies.tiny import tried


def test_by_hand() -> None:
    member = np.array([[1, 1, 0, 0], [0, 0, 1, 1]], bool)
    attacked = np.array([[1, 1, 0, 0], [1, 0, 1, 1]], bool)  # gaps of 1 and of 1/2
    plain = np.array([[1, 1, 1, 0], [1, 1, 1, 1]], bool)  # of 1/2 and of 0
    assert more_memorized(attacked, plain, member) == pytest.approx([0.5])
    assert more_memorized(plain, plain, member) == pytest.approx([0.0])


@pytest.mark.slow
def test_on_points(tmp_path: Path) -> None:
    found = tried("O36", tmp_path)
    assert np.isfinite(found.effect.value)
    assert found.effect.models == 3
