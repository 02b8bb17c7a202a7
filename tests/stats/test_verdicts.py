from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from byrote.stats.verdicts import Verdict, among_all, judge, units_needed


def test_interval_and_p_are_those_of_a_t_test() -> None:
    units = np.random.default_rng(0).normal(1.0, 2.0, 7)
    found, known = judge(units, 0.3), ttest_1samp(units, 0.3)
    assert found.p == pytest.approx(known.pvalue, rel=1e-9)
    assert (found.effect.low, found.effect.high) == pytest.approx(tuple(known.confidence_interval(0.95)), rel=1e-9)
    assert found.effect.models == 7


@pytest.mark.parametrize(
    ("margin", "outcome"), [(0.5, "holds"), (1.5, "fails"), (1.0, "cannot tell"), (-3.0, "holds"), (9.0, "fails")]
)
def test_outcome_by_the_side_of_the_margin(margin: float, outcome: str) -> None:
    assert judge(np.array([0.9, 1.0, 1.1, 1.05]), margin).outcome == outcome


def test_at_the_edge_of_the_interval_the_outcome_turns_with_the_p_value() -> None:
    units = np.array([0.9, 1.0, 1.1, 1.05])
    low = judge(units, 0.0).effect.low
    assert (judge(units, low - 1e-9).outcome, judge(units, low + 1e-9).outcome) == ("holds", "cannot tell")
    assert judge(units, low).p == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("units", "reason", "needed"),
    [
        ([5.0, 6.0], "3 runs or more", 3),
        ([], "3 runs or more", 3),
        ([5.0, math.nan, 6.0, 7.0], "1 of 4 runs have no value", None),
        ([5.0, math.inf, 6.0, 7.0], "1 of 4 runs have no value", None),
        ([5.0, 5.0, 5.0], "all runs gave the same value", None),
        ([0.0, 0.0, 0.0], "all runs gave the same value", None),
    ],
)
def test_what_units_cannot_support_is_not_told(units: list[float], reason: str, needed: int | None) -> None:
    found = judge(np.array(units), 1.0)
    assert (found.outcome, found.needed) == ("cannot tell", needed)
    assert reason in found.reason
    assert math.isnan(found.p)
    assert math.isnan(found.effect.low)


@pytest.mark.slow
def test_the_units_needed_decide_four_times_in_five() -> None:
    needed = units_needed(0.7, 1.0)
    assert needed is not None
    rng = np.random.default_rng(1)

    def share(count: int) -> float:
        return float(np.mean([judge(rng.normal(0.7, 1.0, count), 0.0).outcome == "holds" for _ in range(300)]))

    assert 0.73 < share(needed) < 0.87
    assert share(needed // 2) < 0.65
    assert units_needed(1e-6, 1.0) is None
    assert units_needed(100.0, 1.0) == 3


def clear(p_value: float, outcome: str = "holds") -> Verdict:
    effect = judge(np.array([0.9, 1.0, 1.1]), 0.0).effect
    return Verdict(outcome=outcome, effect=effect, margin=0.0, p=p_value)  # type: ignore[arg-type]


def test_among_all_holm_decides() -> None:
    assert among_all([clear(0.03)]) == ["holds"]
    assert among_all([clear(0.03), clear(0.04)]) == ["cannot tell", "cannot tell"]
    assert among_all([clear(0.001, "fails"), clear(0.04)]) == ["fails", "holds"]
    open_ = judge(np.array([1.0, 2.0]), 0.0)
    assert among_all([clear(0.03), open_]) == ["cannot tell", "cannot tell"]
    assert among_all([]) == []
