from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from byrote.studies.unstable import sooner_lost
from studies.tiny import tried

NOISY = np.arange(40) < 20


def test_a_radius_that_follows_the_margin_says_nothing() -> None:
    margin = np.arange(40.0)[None]
    assert sooner_lost(2 * margin + 1, margin, NOISY) == pytest.approx([0.0])


def test_a_radius_below_that_of_the_margin_does() -> None:
    margin = np.tile(np.arange(20.0), 2)[None]
    found = sooner_lost(margin - 100.0 * NOISY, margin, NOISY)
    assert found == pytest.approx([0.5])


def test_labels_that_are_not_fitted_are_left_out() -> None:
    margin = np.tile(np.arange(20.0), 2)[None]
    radius = np.where(NOISY, np.nan, margin)
    assert np.isnan(sooner_lost(radius, margin, NOISY)).all()


def test_on_points(tmp_path: Path) -> None:
    assert -0.5 <= tried("R97", tmp_path).effect.value <= 0.5
