from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from byrote.studies.poisons_restored import restored
from studies.tiny import losing, tried


def test_the_share_of_what_was_lost() -> None:
    clean, poisoned, filtered = np.array([0.9, 0.9, 0.8]), np.array([0.7, 0.8, 0.8]), np.array([0.85, 0.75, 0.9])
    np.testing.assert_allclose(restored(clean, poisoned, filtered), [0.75, -0.5, np.nan])


def test_on_points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    verdict = tried("R67", tmp_path)
    assert verdict.margin == 0.5
    assert verdict.effect.models == 3
    losing(monkeypatch, {"clean": 0, "filtered": 2})  # arms are paired by model, and only model 1 is in all
    assert tried("R67", tmp_path).reason == "2 of 3 runs have no value"


@pytest.mark.parametrize("lost", [0.0, -0.1])
def test_without_a_loss_there_is_nothing_to_bring_back(lost: float) -> None:
    assert np.isnan(restored(np.array([0.8]), np.array([0.8 - lost]), np.array([0.9]))).all()
