from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from byrote.studies.robust_overfitting import lost_late
from studies.tiny import tried


def test_by_hand() -> None:
    right = np.array([[[1, 0, 0, 0], [1, 1, 1, 0], [0, 0, 0, 1]]], bool)
    chooses = np.array([True, True, False, False])
    # the first half stops at the second checkpoint, where 1/2 of the other is right; so does the other, with 1
    assert lost_late(right, chooses) == pytest.approx([0.75 - 0.25])
    # the other way round the second half stops at its first checkpoint, as the second is no better to it
    assert lost_late(right[:, ::-1], chooses) == pytest.approx([(0.5 + 0.0) / 2 - 0.25])
    assert lost_late(right[:, :2], chooses) == pytest.approx([0.0])


@pytest.mark.slow
def test_on_points(tmp_path: Path) -> None:
    found = tried("R74", tmp_path)
    assert np.isfinite(found.effect.value)
    assert found.effect.models == 3
