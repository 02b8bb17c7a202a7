import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from byrote.measures.counterfactual_memorization import (
    counterfactual_memorization,
    counterfactual_memorization_log_probability,
)
from measures.evidence import half_subset_pairs


@given(st.integers(2, 5), st.integers(1, 7), st.integers(0, 2**32 - 1))
def test_agrees_with_the_slow_loop(pairs, documents, seed):
    rng = np.random.default_rng(seed)
    member, pair = half_subset_pairs(rng, 2 * pairs, documents)
    lengths = rng.integers(0, 6, documents)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    scored = rng.random(offsets[-1]) < 0.8
    hit = rng.random((2 * pairs, offsets[-1])) < 0.5
    said = np.log(rng.random(hit.shape))
    found = counterfactual_memorization(hit, offsets, scored, member, pair)
    softly = counterfactual_memorization_log_probability(said, offsets, scored, member, pair)
    for i in range(documents):
        tokens = [t for t in range(offsets[i], offsets[i + 1]) if scored[t]]
        for result, quantity in ((found, hit), (softly, said)):
            differences = []
            for one, other in zip(range(0, 2 * pairs, 2), range(1, 2 * pairs, 2), strict=True):
                if tokens and member[one, i] != member[other, i]:
                    sign = 1 if member[one, i] else -1
                    means = [sum(quantity[k, t] for t in tokens) / len(tokens) for k in (one, other)]
                    differences.append(sign * (means[0] - means[1]))
            if len(differences) < 2:
                assert np.isnan(result.values[i])
                assert result.reason(i)
                continue
            assert result.values[i] == pytest.approx(np.mean(differences))
            assert result.low[i] <= result.values[i] <= result.high[i]
            if result is softly and np.ptp(differences) > 1e-9:  # between bounds the error is no plain Student's
                assert result.stderr[i] == pytest.approx(stats.sem(differences))


def test_a_table_knows_all_or_nothing():
    member, pair = half_subset_pairs(np.random.default_rng(0), 8, 6)
    offsets, scored = np.arange(0, 31, 5), np.ones(30, bool)
    found = counterfactual_memorization(np.repeat(member == 1, 5, axis=1), offsets, scored, member, pair)
    np.testing.assert_array_equal(found.values, 1.0)
    assert (found.stderr > 0).all()
    constant = counterfactual_memorization(np.ones((8, 30), bool), offsets, scored, member, pair)
    np.testing.assert_array_equal(constant.values, 0.0)


def test_undefined_has_its_reason():
    hit, member = np.ones((4, 3), bool), np.array([[1, 1, 0]] * 2 + [[0, 1, 1]] * 2, np.int8)
    scored = np.array([True, True, False])
    found = counterfactual_memorization(hit, np.array([0, 1, 2, 3]), scored, member, np.array([0, 1, 0, 1]))
    assert found.reason(0) == ""
    assert found.reason(1) == "every model was trained on it"
    assert found.reason(2) == "no token of it has a prediction"


def test_a_record_that_is_not_finite_spoils_its_own_document_only():
    member, pair = half_subset_pairs(np.random.default_rng(0), 4, 4)
    said = np.log(np.random.default_rng(1).random((4, 8)))
    said[0, 2] = -np.inf
    found = counterfactual_memorization_log_probability(said, np.arange(0, 9, 2), np.ones(8, bool), member, pair)
    assert np.isnan(found.values).tolist() == [False, True, False, False]
    assert found.reason(1) == "a model's log-probability is not finite"
