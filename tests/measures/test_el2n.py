import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from byrote.errors import BadInput
from byrote.measures.el2n import el2n, el2n_counterfactual, el2n_mean
from measures.evidence import half_subset_pairs, make_evidence, slow_epoch_sum, slow_member_mean


@given(st.integers(1, 4), st.integers(1, 7), st.integers(0, 99))
def test_agrees_with_the_slow_loop(pairs, examples, seed):
    run = make_evidence(models=2 * pairs, examples=examples, epochs=(0, 1, 4, 9), seed=seed, unknown=0.2)
    error, epochs, member = run["el2n.error"], run["el2n.epochs"], run["design.member"]
    expected = slow_member_mean(lambda k, i: slow_epoch_sum(error[k, :, i], epochs) / 10, member)
    np.testing.assert_allclose(el2n_mean(error, epochs, member).values, expected, rtol=1e-6)
    # a tenth of 9 epochs is .9: the checkpoint after epoch 1
    np.testing.assert_allclose(
        el2n(error, epochs, member).values, slow_member_mean(lambda k, i: error[k, 1, i], member), rtol=1e-6
    )
    outside = slow_member_mean(lambda k, i: error[k, 1, i], 1 - np.where(member < 0, 2, member))
    np.testing.assert_allclose(el2n(error, epochs, member, side=0).values, outside, rtol=1e-6)


def test_the_state_before_training_is_never_a_score():
    one = np.ones((2, 1), np.int8)
    error = np.array([[[1.0], [0.2]], [[1.0], [0.4]]])
    assert el2n(error, np.array([0, 50]), one, share=0.0).values[0] == pytest.approx(0.3)
    found = el2n(error[:, :1], np.array([0]), one)
    assert np.isnan(found.values[0])
    assert found.reason(0) == "a model's record of it is not finite"


def test_there_are_two_sides():
    with pytest.raises(BadInput, match="'side' argument must be 1") as caught:
        el2n(np.ones((2, 2, 1)), np.array([0, 5]), np.ones((2, 1), np.int8), side=2)
    assert "leave it out" in str(caught.value.hint)


def level(seed: int, examples: int = 400) -> float:
    """Share of the intervals that hold no 0, where training on an example changes nothing."""
    rng = np.random.default_rng(seed)
    member, pair = half_subset_pairs(rng, 24, examples)
    error = np.clip(rng.normal(0.6, 0.1, (24, 3, examples)) + rng.normal(0, 0.1, examples), 0, 1.4)
    found = el2n_counterfactual(error, np.array([0, 1, 5]), member, pair)
    return float(np.mean((found.low > 0) | (found.high < 0)))


def test_the_counterfactual_form_is_0_where_nothing_is_learned_of_the_example():
    assert np.mean([level(seed) for seed in range(4)]) == pytest.approx(0.05, abs=0.02)  # 1,600 of 24 models


def test_the_counterfactual_form_is_the_difference_between_mates():
    rng = np.random.default_rng(0)
    member, pair = half_subset_pairs(rng, 8, 30)
    error = rng.uniform(0.2, 0.5, (8, 4, 30)) + 0.3 * (member == 0)[:, None]
    found = el2n_counterfactual(error, np.arange(4), member, pair).values
    mean = error.mean(1)
    slow = [mean[member[:, i] == 0, i].mean() - mean[member[:, i] == 1, i].mean() for i in range(30)]
    np.testing.assert_allclose(found, slow, rtol=1e-6)
    assert np.all(found > 0)
