from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from byrote.studies.few_units import few_and_elsewhere
from studies.tiny import tried


def test_by_hand() -> None:
    # layers of 20 and 20 units, of which 2 are 5 %
    silenced = np.array([[[0, 1, 1, 0], [1, 1, 2, 1]]])
    lost = np.array([[True, True, True, False]])
    everyone = np.ones((1, 4), bool)
    units = np.array([[20, 20]])
    # the first: all in the layer with most; the second: half outside; the third takes 3; the fourth is not lost
    assert few_and_elsewhere(silenced, lost, units, everyone) == pytest.approx([0.5 / 4])
    assert few_and_elsewhere(silenced, lost, 2 * units, everyone) == pytest.approx([(1 / 2 + 1 / 3) / 4])
    assert np.isnan(few_and_elsewhere(silenced, lost, units, ~everyone)).all()


def test_on_points(tmp_path: Path) -> None:
    found = tried("O13", tmp_path)
    assert 0 <= found.effect.value <= 1
