from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from byrote.measures.label_memorization import label_memorization
from byrote.measures.label_memorization_shrunk import label_memorization_shrunk
from byrote.results import PerExample
from byrote.stats.shrunk_rates import shrunk_rates
from measures.evidence import half_subset_pairs
from measures.known import Known, covered_by_stratum


def shrunk(margin: np.ndarray, member: np.ndarray) -> PerExample:
    return label_memorization_shrunk(margin > 0, expit(margin), member)


def test_sides_are_drawn_to_curves_of_their_own() -> None:
    rng = np.random.default_rng(0)
    member = rng.integers(-1, 2, (12, 9)).astype(np.int8)
    margin = rng.normal(0.5, 1.5, (12, 9))
    found = shrunk(margin, member)
    rates = []
    for side in (0, 1):
        count = (member == side).sum(0)
        right = ((margin > 0) & (member == side)).sum(0)
        rates.append(shrunk_rates(right, count, np.where(member == side, expit(margin), 0.0).sum(0) / count))
    np.testing.assert_allclose(found.values, rates[1] - rates[0])
    np.testing.assert_array_equal(found.counts["members"], (member == 1).sum(0))
    assert found.note.startswith("rates are drawn to those of like probability; measured with models trained on")


def test_undefined_has_its_reason() -> None:
    member = np.array([[1, 0, -1, 1], [1, 0, -1, 0]], np.int8)
    margin = np.array([[1.0, 1.0, 1.0, np.nan], [1.0, 1.0, 1.0, 1.0]])
    found = shrunk(margin, member)
    assert [found.reason(i) for i in range(4)] == [
        "every model was trained on it",
        "no model was trained on it",
        "its membership is known in no model",
        "a model's probability is not finite",
    ]


def test_a_lookup_table_memorizes_all_and_a_constant_nothing() -> None:
    member, _ = half_subset_pairs(np.random.default_rng(0), 16, 20)
    for margin, expected in ((np.where(member == 1, 2.0, -3.0), 1.0), (np.full(member.shape, 2.0), 0.0)):
        found = shrunk(margin, member)
        np.testing.assert_array_equal(found.values, expected)
        assert (found.stderr > 0).all()
        assert ((found.low <= expected) & (expected <= found.high)).all()


@pytest.mark.parametrize("models", [16, pytest.param(32, marks=pytest.mark.slow)])
def test_intervals_cover_in_every_stratum_and_the_error_is_smaller(models: int) -> None:
    known, results, off = Known(3), [], []
    for _ in range(20):
        margin, member = known.ensemble(models)
        results.append(shrunk(margin, member))
        off.append((results[-1].values - known.truth, label_memorization(margin > 0, member).values - known.truth))
    assert min(covered_by_stratum(known, results)) >= 0.93
    error = np.sqrt(np.mean(np.square(off), axis=(0, 2)))
    assert 1.1 * error[0] < error[1]  # as of 1.2 times as many models
