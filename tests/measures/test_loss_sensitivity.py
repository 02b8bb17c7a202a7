import numpy as np
import pytest

from byrote.measures.loss_sensitivity import (
    gini,
    loss_sensitivity,
    loss_sensitivity_counterfactual,
    loss_sensitivity_gini,
)
from measures.evidence import half_subset_pairs, make_evidence, slow_epoch_sum, slow_member_mean


def test_agrees_with_the_slow_loop():
    run = make_evidence(epochs=(0, 2, 3, 9), unknown=0.2)
    norm, epochs, member = run["input_gradients.norm_1"], run["input_gradients.epochs"], run["design.member"]
    expected = slow_member_mean(lambda k, i: slow_epoch_sum(norm[k, :, i], epochs) / 10, member)
    np.testing.assert_allclose(loss_sensitivity(norm, epochs, member).values, expected, rtol=1e-6)
    member, pair = half_subset_pairs(np.random.default_rng(1), 12, 30)  # of each pair one has the example
    norm = norm[:, :, :30]
    inside = loss_sensitivity(norm, epochs, member).values
    outside = loss_sensitivity(norm, epochs, member, side=0).values
    found = loss_sensitivity_counterfactual(norm, epochs, member, pair).values
    np.testing.assert_allclose(found, outside - inside, rtol=1e-6)


def slow_gini(values: np.ndarray) -> float:
    """Mean absolute difference of all pairs over twice the mean."""
    return sum(abs(a - b) for a in values for b in values) / (2 * len(values) ** 2 * values.mean())


def test_gini_agrees_with_all_pairs_and_with_closed_forms():
    rng = np.random.default_rng(0)
    values = rng.gamma(1.0, 2.0, 40)
    assert gini(values) == pytest.approx(slow_gini(values))
    assert gini(3 * values) == pytest.approx(gini(values))
    assert gini(np.array([0.0] * 9 + [5.0])) == pytest.approx(0.9)
    assert gini(np.random.default_rng(1).exponential(1.0, 200_000)) == pytest.approx(0.5, abs=0.005)
    assert gini(np.random.default_rng(1).uniform(0.0, 1.0, 200_000)) == pytest.approx(1 / 3, abs=0.005)
    assert all(np.isnan(gini(np.array(case))) for case in ([1.0], [0.0, 0.0], [1.0, np.nan], [1.0, np.inf]))


def test_the_model_level_figure_is_that_of_members():
    rng = np.random.default_rng(3)
    member, pair = half_subset_pairs(rng, 8, 50)
    norm = rng.exponential(1.0, (8, 2, 50))
    found = loss_sensitivity_gini(norm, np.array([0, 1]), member, pair)
    each = [slow_gini(norm[k].mean(0)[member[k] == 1]) for k in range(8)]
    assert found.value == pytest.approx(np.mean(each))
    of_pairs = np.array(each).reshape(4, 2).mean(1)
    assert found.stderr == pytest.approx(of_pairs.std(ddof=1) / 2)
    assert found.low < found.value < found.high


def test_without_sensitivity_there_is_no_coefficient():
    member, pair = half_subset_pairs(np.random.default_rng(3), 6, 10)
    found = loss_sensitivity_gini(np.zeros((6, 2, 10)), np.array([0, 1]), member, pair)
    assert np.isnan(found.value)
    assert found.reason


def test_its_interval_ends_where_a_coefficient_can():
    member, pair = np.ones((6, 50), np.int8), np.repeat([0, 1, 2], 2)
    norm = np.ones((6, 1, 50))
    norm[:4, 0, 1:] = 0.0  # one example holds all of it in four models, and all hold as much in two
    found = loss_sensitivity_gini(norm, np.array([0]), member, pair)
    assert found.value == pytest.approx(2 / 3 * 0.98)
    assert (found.low, found.high) == (0.0, 1.0)
