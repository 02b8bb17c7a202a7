from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from byrote.analyses import card_language
from byrote.runs.run import Run


def test_canaries_are_told_by_how_often_they_stood(monkeypatch: pytest.MonkeyPatch) -> None:
    repetitions = np.array([0, 0, 1, 1, 4, 4])
    exposures = iter([np.array([1.0, 3.0, 4.0, 6.0, 10.0, 14.0]), np.array([2.0, 2.0, 1.0, 3.0, 5.0, 7.0])])
    monkeypatch.setattr(
        card_language, "exposures_of", lambda _: SimpleNamespace(values=next(exposures), repetitions=repetitions)
    )
    monkeypatch.setattr(card_language, "_models", lambda *_: 4)
    found = card_language._of_canaries(object.__new__(Run), object.__new__(Run))
    told = {one.name: (one.before.value, one.after.value, one.better) for one in found}
    assert told == {
        "exposure of planted canaries": (8.5, 4.0, "lower"),
        "exposure of canaries never planted": (2.0, 2.0, ""),
        "exposure of canaries that stood once": (5.0, 2.0, "lower"),
        "exposure of canaries that stood 4 times": (12.0, 6.0, "lower"),
    }
