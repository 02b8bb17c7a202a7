from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from byrote.studies.privacy_costs_the_rare import atypical, rarer_lose_more
from studies.tiny import points, tried


def test_falls_by_hand() -> None:
    rare = np.array([True, True, False, False])
    plain, private = np.array([[1, 1, 1, 1]], bool), np.array([[0, 0, 1, 0]], bool)
    assert rarer_lose_more(plain, private, rare) == pytest.approx([0.5])


def test_what_is_moved_away_from_its_class_is_atypical() -> None:
    data = points()
    inputs = np.array(data.inputs[:50])
    inputs[:10] += 30
    found = atypical(data.subset(np.arange(50)).replace(inputs=inputs), data.subset(np.arange(50, 180)))
    assert np.flatnonzero(found).tolist() == list(range(10))


@pytest.mark.slow
def test_on_points(tmp_path: Path) -> None:
    pytest.importorskip("opacus", reason="the accountant is opacus', an extra")
    assert np.isfinite(tried("O41", tmp_path, units=3).effect.value)
