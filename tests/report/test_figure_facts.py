from __future__ import annotations

import numpy as np

from byrote.report.figure_facts import finite, scalar
from byrote.results import Scalar


def test_what_is_unknown_is_null_and_only_what_has_no_value_says_why() -> None:
    known = Scalar(value=0.5, stderr=np.nan, low=0.4, high=np.inf, models=8, examples=60)
    assert scalar(known) == {
        "value": 0.5, "stderr": None, "low": 0.4, "high": None, "models": 8, "examples": 60, "varies_over": "models",
    }  # fmt: skip
    nothing = Scalar(value=np.nan, stderr=np.nan, low=np.nan, high=np.nan, models=8, examples=60, reason="too few")
    assert scalar(nothing)["reason"] == "too few"
    assert (finite(-np.inf), finite(1)) == (None, 1.0)
