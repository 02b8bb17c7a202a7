from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from byrote.studies.units_apart import apart
from studies.tiny import points, tried


def test_both_differences_must_be_there() -> None:
    noisy = np.arange(8)[None] < 4
    right = np.ones((1, 8), bool)
    memory = np.array([[1, 1, 1, 0, 0, 0, 0, 0]], bool)  # .75 of the wrong labels, none of the right ones
    pattern = np.array([[0, 0, 0, 1, 1, 1, 0, 0]], bool)  # .25 of the wrong labels, .5 of the right ones
    assert apart(memory, pattern, noisy, right) == pytest.approx([0.25])
    assert apart(pattern, memory, noisy, right) == pytest.approx([-0.75])
    assert np.isnan(apart(memory, pattern, noisy, right & ~noisy)).all()
    fitted = right.copy()
    fitted[0, 3] = False  # of three fitted wrong labels none falls with the pattern units
    assert apart(memory, pattern, noisy, fitted) == pytest.approx([0.5])


def test_on_points(tmp_path: Path) -> None:
    found = tried("R99", tmp_path, data=points(300, inputs=24))
    assert -1 <= found.effect.value <= 1
