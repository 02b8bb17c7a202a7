from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from byrote.studies.privacy_costs_accuracy import chosen_apart, smallest_drop
from studies.tiny import losing, tried


def test_the_smallest_of_three_falls_counts() -> None:
    accuracy = np.array([[0.9, 0.9], [0.8, 0.9], [0.75, 0.85], [0.5, 0.3]])
    assert smallest_drop(accuracy) == pytest.approx([0.05, 0.0])


def test_rates_are_chosen_on_one_half_and_judged_on_the_other() -> None:
    correct = np.array([[[1, 1, 0, 0], [1, 1, 0, 1]], [[1, 0, 1, 1], [0, 1, 1, 1]]], bool)
    assert chosen_apart(correct) == pytest.approx([0.0, 0.5])


@pytest.mark.slow
def test_on_points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("opacus", reason="the accountant is opacus', an extra")
    assert np.isfinite(tried("O40", tmp_path, units=3).effect.value)
    losing(monkeypatch, {"arm-0-0": 0, "arm-3-1": 2})  # arms are paired by model, and only model 1 is in all
    assert tried("O40", tmp_path, units=3).reason == "2 of 3 runs have no value"
