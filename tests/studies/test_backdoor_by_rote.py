from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from byrote.errors import BadInput
from byrote.studies.backdoor_by_rote import less_by_rote
from poisoned import RECIPE, drawn
from studies.tiny import losing, tried


def test_it_is_a_difference_of_means() -> None:
    few, many = np.array([[1.0, 0.5], [0.0, 0.0]]), np.array([[0.25, 0.0, 0.5], [0.5, 0.5, 0.5]])
    assert less_by_rote(few, many) == pytest.approx([0.5, -0.5])


def test_on_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert np.isfinite(tried("R69", tmp_path, data=drawn(), recipe=RECIPE).effect.value)
    losing(monkeypatch, {"poisons-0.0333333": 0, "poisons-0.05": 23})  # units are paired, and only one is whole in both
    assert tried("R69", tmp_path, data=drawn(), recipe=RECIPE).reason == "2 of 3 runs have no value"


def test_rows_have_no_pixels(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="backdoor puts a pattern on pixels, and the examples of 'points' are rows"):
        tried("R69", tmp_path)
