from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from byrote.studies.attacks_show_members import better_told
from studies.tiny import tried


def test_by_hand_and_without_what_is_undefined() -> None:
    member = np.array([[1, 1, 0, 0, 1], [0, 0, 1, 1, 0]], bool)
    robust = np.array([[4.0, 3.0, 2.0, 1.0, np.nan], [1.0, 2.0, 3.0, 4.0, -9.0]])  # AUROC of 1, without the last
    plain = np.array([[4.0, 1.0, 2.0, 3.0, 9.0], [2.0, 3.0, 4.0, 1.0, np.nan]])  # of .5 and of .5
    assert better_told(robust, plain, member) == pytest.approx([0.5])


@pytest.mark.slow
def test_on_points(tmp_path: Path) -> None:
    assert np.isfinite(tried("R72", tmp_path, units=5).effect.value)
