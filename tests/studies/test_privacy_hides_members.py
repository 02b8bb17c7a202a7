from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from byrote.studies.privacy_hides_members import hidden, simulated
from studies.tiny import tried


def test_what_is_hidden_is_what_is_no_longer_told() -> None:
    assert hidden(np.array([0.9, 0.8]), np.array([0.6, 0.9])) == pytest.approx([0.3, -0.1])
    assert simulated(np.random.default_rng(0), 400, 2.0).mean() == pytest.approx(0, abs=0.01)


@pytest.mark.slow
def test_on_points(tmp_path: Path) -> None:
    pytest.importorskip("opacus", reason="the accountant is opacus', an extra")
    assert np.isfinite(tried("O39", tmp_path, units=4).effect.value)
