from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from byrote.analyses.comparison import rank_correlation
from byrote.studies.another_order import agreement, lost
from studies.tiny import losing, tried


def test_agreement_is_the_mean_rank_correlation_with_the_others() -> None:
    learned = np.random.default_rng(0).integers(0, 5, (4, 30))
    slow = [
        np.mean([rank_correlation(a * 1.0, b * 1.0) for b in np.delete(learned, k, 0)]) for k, a in enumerate(learned)
    ]
    assert agreement(learned) == pytest.approx(slow)


def test_what_is_lost_beyond_a_half() -> None:
    rng = np.random.default_rng(1)
    true, shuffled = rng.integers(0, 5, (2, 5, 40))
    assert lost(true, shuffled).mean() == pytest.approx(agreement(true).mean() / 2 - agreement(shuffled).mean())
    same = np.tile(true[0], (5, 1))
    assert lost(same, same) == pytest.approx(-0.5)  # all models agree, on either


def test_labels_that_are_learned_at_once_leave_it_undefined() -> None:
    assert np.isnan(lost(np.zeros((4, 9), np.int64), np.zeros((4, 9), np.int64))).all()


def test_on_points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = tried("O4", tmp_path, units=5)
    assert np.isfinite(found.effect.value)
    assert (tmp_path / "shuffled" / "manifest.json").is_file()
    losing(monkeypatch, {"true": 0, "shuffled": 4})  # three models are in both arms
    assert tried("O4", tmp_path, units=5).reason == "2 of 5 runs have no value"
