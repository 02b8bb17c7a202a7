import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from byrote.measures.cumulative_sample_gradient import (
    cumulative_sample_gradient,
    cumulative_sample_gradient_counterfactual,
    cumulative_sample_gradient_norm,
    cumulative_sample_gradient_parameters,
)
from measures.evidence import half_subset_pairs, make_evidence, slow_epoch_sum, slow_member_mean


@given(st.integers(1, 4), st.integers(1, 7), st.integers(0, 99))
def test_agrees_with_the_slow_loop(pairs, examples, seed):
    run = make_evidence(models=2 * pairs, examples=examples, epochs=(0, 2, 3, 9), seed=seed, unknown=0.2)
    epochs, member = run["input_gradients.epochs"], run["design.member"]
    for kind, of in (
        ("input_gradients", cumulative_sample_gradient),
        ("weight_gradients", cumulative_sample_gradient_parameters),
    ):
        norm = run[f"{kind}.norm"].astype(np.float64)
        squared = slow_member_mean(lambda k, i, norm=norm: slow_epoch_sum(norm[k, :, i] ** 2, epochs), member)
        plain = slow_member_mean(lambda k, i, norm=norm: slow_epoch_sum(norm[k, :, i], epochs), member)
        np.testing.assert_allclose(of(norm, epochs, member).values, squared, rtol=1e-6)
        np.testing.assert_allclose(of(norm, epochs, member, squared=False).values, plain, rtol=1e-6)
    norm = run["input_gradients.norm"]
    np.testing.assert_array_equal(
        cumulative_sample_gradient_norm(norm, epochs, member).values,
        cumulative_sample_gradient(norm, epochs, member, squared=False).values,
    )


def test_dense_early_checkpoints_do_not_count_many_times_over():
    """A gradient of 1 at every epoch sums up to the number of epochs, whichever of them were recorded."""
    one = np.ones((2, 1), np.int8)
    for epochs in ([0, 1, 2, 3, 99], [0, 99], list(range(100))):
        norm = np.ones((2, len(epochs), 1))
        assert cumulative_sample_gradient(norm, np.array(epochs), one).values[0] == pytest.approx(100)


def test_a_gradient_that_is_not_finite_has_no_sum():
    norm = np.ones((2, 2, 2))
    norm[0, 1, 1] = np.inf
    found = cumulative_sample_gradient(norm, np.array([0, 1]), np.ones((2, 2), np.int8))
    np.testing.assert_array_equal(np.isnan(found.values), [False, True])
    assert found.reason(1) == "a model's record of it is not finite"


def test_the_counterfactual_form_holds_0_at_its_level_where_nothing_is_learned():
    rng = np.random.default_rng(2)
    member, pair = half_subset_pairs(rng, 24, 1600)
    norm = rng.gamma(9.0, 0.1, (24, 3, 1600)) + rng.gamma(2.0, 1.0, 1600)
    found = cumulative_sample_gradient_counterfactual(norm, np.array([0, 1, 5]), member, pair)
    assert np.mean((found.low > 0) | (found.high < 0)) == pytest.approx(0.05, abs=0.02)
    moved = cumulative_sample_gradient_counterfactual(norm + (member == 0)[:, None], np.array([0, 1, 5]), member, pair)
    np.testing.assert_allclose(moved.values - found.values, 6.0, rtol=1e-9)  # one more at each of 6 epochs
