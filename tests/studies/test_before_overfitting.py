from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from byrote.studies.before_overfitting import by_the_minimum
from studies.tiny import tried


def test_by_hand() -> None:
    noisy = np.array([True, True, True, True, False, False])
    member = np.array([[1, 1, 0, 0, 1, 0], [0, 0, 1, 1, 0, 1]], bool)
    loss = np.zeros((2, 3, 6))
    loss[:, :, 5], loss[:, :, 4] = [3, 1, 2], [3, 2, 2]  # lowest in the middle, where both are left out once
    correct = np.zeros((2, 3, 6), bool)
    correct[:, 2, :4] = member[:, :4]  # in the end each fits all that it trains on
    correct[0, 1, 0] = True  # and in the middle the first fits one
    assert by_the_minimum(correct, loss, member, noisy) == pytest.approx([1 / 4])
    correct[1, 1, 0] = True  # so does its mate, which is not trained on it
    assert by_the_minimum(correct, loss, member, noisy) == pytest.approx([0.0])
    assert np.isnan(by_the_minimum(np.zeros_like(correct), loss, member, noisy)).all()


def test_on_points(tmp_path: Path) -> None:
    found = tried("R98", tmp_path)
    assert np.isfinite(found.effect.value)
    assert found.effect.models == 3
