from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from byrote.studies.clipping_protects import clipped_less, simulated
from studies.tiny import tried


def test_noise_alone_minus_clipping_alone() -> None:
    assert clipped_less(np.array([0.9, 0.8]), np.array([0.6, 0.9])) == pytest.approx([0.3, -0.1])
    assert simulated(np.random.default_rng(0), 400, 1.455).mean() == pytest.approx(0.05, abs=0.01)


@pytest.mark.slow
def test_on_points(tmp_path: Path) -> None:
    pytest.importorskip("opacus", reason="the accountant is opacus', an extra")
    assert np.isfinite(tried("R75", tmp_path, units=4).effect.value)
