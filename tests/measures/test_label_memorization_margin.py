from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from byrote.measures.label_memorization import label_memorization
from byrote.measures.label_memorization_margin import label_memorization_margin
from byrote.results import PerExample
from measures.evidence import half_subset_pairs
from measures.known import Known, TwoModes, covered_by_stratum


def by_margin(margin: np.ndarray, member: np.ndarray) -> PerExample:
    found = label_memorization_margin(margin, member)
    assert isinstance(found, PerExample)
    return found


def test_agrees_with_the_slow_loop() -> None:
    rng = np.random.default_rng(3)
    member = rng.integers(-1, 2, (14, 6)).astype(np.int8)
    margin = rng.normal(1.0, 2.0, (14, 6)).astype(np.float32)
    found = by_margin(margin, member)
    sides = [[margin[member[:, i] == side, i].astype(np.float64) for i in range(6)] for side in (0, 1)]
    usual = [np.median([x.var(ddof=1) / (1 - 2 / 9 / (len(x) - 1)) ** 3 for x in side if len(x) > 1]) for side in sides]
    for i in range(6):
        rate = []
        for side in (0, 1):
            x = sides[side][i]
            spread = np.sqrt((4 * usual[side] + (len(x) - 1) * x.var(ddof=1)) / (len(x) + 3))
            rate.append(norm.cdf(x.mean() / spread / np.sqrt(1 - 1 / len(x))))
        assert found.values[i] == pytest.approx(rate[1] - rate[0])
        assert (found.counts["members"][i], found.counts["nonmembers"][i]) == (len(sides[1][i]), len(sides[0][i]))


def test_by_hand() -> None:
    """Means 3 and 0 and variances 2 on both sides, the usual one 2 / (7/9)^3: Phi(3 / s / sqrt(1/2)) - 1/2."""
    margin, member = np.array([[2.0], [-1.0], [4.0], [1.0]]), np.array([[1], [0], [1], [0]], np.int8)
    assert by_margin(margin, member).values[0] == pytest.approx(
        norm.cdf(3 / np.sqrt((8 * (9 / 7) ** 3 + 2) / 5) / np.sqrt(0.5)) - 0.5
    )


def test_strata_are_compared_within() -> None:
    """Right by far in the first stratum, wrong by far in the second, whether trained on or not: nothing memorized."""
    rng = np.random.default_rng(0)
    member, stratum = np.tile([[1], [0]], (8, 3)).astype(np.int8), np.repeat([[0], [1]], 8, axis=0).astype(np.int16)
    member[8:14:2] = 0
    margin = np.where(stratum == 0, 9.0, -9.0) + rng.normal(size=(16, 3))
    found = label_memorization_margin(margin, member, np.broadcast_to(stratum, (16, 3)).copy())
    assert all("fewer than 2 models a side within a stratum" in found.reason(i) for i in range(3))
    member[8:10] = 1
    found = label_memorization_margin(margin, member, np.broadcast_to(stratum, (16, 3)).copy())
    np.testing.assert_allclose(found.values, 0.0, atol=1e-6)
    assert np.abs(by_margin(margin, member).values).max() > 0.1  # as if there were one


def test_undefined_has_its_reason() -> None:
    member = np.array([[1, 0, -1, 1, 1, 1], [1, 0, -1, 0, 0, 1], [1, 0, -1, 0, 1, 0], [1, 0, -1, 0, 0, 0]], np.int8)
    margin = np.random.default_rng(0).normal(size=(4, 6))
    margin[0, 4] = np.inf
    found = by_margin(margin, member)
    assert [found.reason(i) for i in range(6)] == [
        "every model was trained on it",
        "no model was trained on it",
        "its membership is known in no model",
        "fewer than 2 models were trained on it, or fewer than 2 were not",
        "a model's margin is not finite",
        "",
    ]
    assert np.isnan(found.stderr[:5]).all()


def test_a_lookup_table_memorizes_all_and_a_constant_nothing() -> None:
    member, _ = half_subset_pairs(np.random.default_rng(0), 16, 20)
    for margin, expected in ((np.where(member == 1, 2.0, -3.0), 1.0), (np.full(member.shape, 2.0), 0.0)):
        found = by_margin(margin, member)
        np.testing.assert_array_equal(found.values, expected)
        assert (found.stderr > 0).all()
        assert (found.low <= expected).all()
        assert (expected <= found.high).all()


@pytest.mark.parametrize("tails", [None, 3], ids=["normal", "long tails"])
@pytest.mark.parametrize("models", [16, pytest.param(32, marks=pytest.mark.slow)])
def test_intervals_cover_in_every_stratum_whether_margins_are_normal_or_not(models: int, tails: int | None) -> None:
    known = Known(tails)
    assert min(covered_by_stratum(known, [by_margin(*known.ensemble(models)) for _ in range(20)])) >= 0.93


#: Margins of right and of wrong models: mean and spread.
MODES = [((3.0, 0.5), (-3.0, 0.5)), ((5.0, 1.5), (-4.0, 2.0))]


@pytest.mark.slow
@pytest.mark.parametrize("models", [8, 16, 32])
@pytest.mark.parametrize(("right", "wrong"), MODES)
def test_intervals_cover_in_every_stratum_where_margins_have_two_modes(
    models: int, right: tuple[float, float], wrong: tuple[float, float]
) -> None:
    known = TwoModes(right, wrong, 1500)
    assert min(covered_by_stratum(known, [by_margin(*known.ensemble(models)) for _ in range(20)])) >= 0.93


@pytest.mark.parametrize("models", [8, 32])
@pytest.mark.parametrize(("right", "wrong"), MODES)
def test_the_note_says_that_margins_have_two_modes(
    models: int, right: tuple[float, float], wrong: tuple[float, float]
) -> None:
    margin, member = TwoModes(right, wrong).ensemble(models)
    found = by_margin(margin, member)
    assert found.note.startswith("margins are not normal here: they have two modes (right answers scatter 0.")
    assert "intervals are at least as long as those of label_memorization" in found.note
    by_counts = label_memorization(margin > 0, member)
    assert (found.low <= by_counts.low).all()
    assert (found.stderr >= by_counts.stderr).all()


def test_a_single_example_is_not_surer_than_by_counts() -> None:
    member = np.repeat([[1], [0]], 4, axis=0).astype(np.int8)
    margin = np.where(member == 1, 4.0, -4.0) + np.tile([[0.1], [-0.1]], (4, 1))
    found = by_margin(margin, member)
    assert found.low[0] == pytest.approx(label_memorization(margin > 0, member).low[0])
    assert "too few examples exclude two modes" in found.note


def test_normal_margins_take_fewer_models() -> None:
    """Where memorization is above .25, the error of counts from 32 models is at least that of margins from 24."""
    known, margins, counts = Known(None), [], []
    some = known.truth > 0.25
    for _ in range(12):
        margins.append(by_margin(*known.ensemble(24)).values[some] - known.truth[some])
        margin, member = known.ensemble(32)
        counts.append(label_memorization(margin > 0, member).values[some] - known.truth[some])
    assert np.sqrt(np.mean(np.square(margins))) < np.sqrt(np.mean(np.square(counts)))


@pytest.mark.parametrize("models", [16, 64])
def test_the_self_check_speaks_where_margins_have_long_tails_and_only_there(models: int) -> None:
    normal, long = (by_margin(*Known(tails, 1500).ensemble(models)) for tails in (None, 3))
    assert normal.note.startswith("margins are taken as normal; rates by this form and by counts differ by 0.0")
    assert long.note.startswith("margins are not normal here")
    assert "label_memorization counts instead" in long.note
    assert "models trained on 50%" in long.note


def test_few_models_are_not_judged() -> None:
    assert by_margin(*Known(3, 1500).ensemble(8)).note.startswith("margins are taken as normal")
