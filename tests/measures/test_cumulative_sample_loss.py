import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from byrote.measures.cumulative_sample_loss import cumulative_sample_loss, cumulative_sample_loss_presentation
from byrote.measures.learning_events import learning_events_loss
from measures.evidence import half_subset_pairs, make_evidence, slow_epoch_sum, slow_member_mean


@given(
    st.integers(1, 4),
    st.integers(1, 7),
    st.lists(st.integers(0, 30), min_size=1, unique=True),
    st.integers(0, 99),
)
def test_agrees_with_the_slow_loop(pairs, examples, epochs, seed):
    run = make_evidence(models=2 * pairs, examples=examples, epochs=tuple(sorted(epochs)), seed=seed, unknown=0.2)
    loss, at, member = run["trajectory.loss"], run["trajectory.epochs"], run["design.member"]
    expected = slow_member_mean(lambda k, i: slow_epoch_sum(loss[k, :, i], at), member)
    np.testing.assert_allclose(cumulative_sample_loss(loss, at, member).values, expected, rtol=1e-6)


@given(st.integers(1, 4), st.integers(1, 7), st.integers(0, 99))
def test_presentation_agrees_with_the_slow_loop(pairs, examples, seed):
    run = make_evidence(models=2 * pairs, examples=examples, seed=seed, unknown=0.2)
    total, shown = run["presentation.loss_sum"], run["presentation.presentations"].copy()
    shown[0] = 0
    member = np.where(shown > 0, run["design.member"], 0)
    expected = slow_member_mean(lambda k, i: total[k, i], member)
    found = cumulative_sample_loss_presentation(total, shown, run["design.member"])
    np.testing.assert_allclose(found.values, expected, rtol=1e-9)


def test_by_hand():
    """Epochs 0, 2, 3 with losses 4, 2, 0: the sum over 0, 1, 2, 3 is 4 + 3 + 2 + 0."""
    loss = np.array([[[4.0], [2.0], [0.0]], [[4.0], [2.0], [1.0]]])
    found = cumulative_sample_loss(loss, np.array([0, 2, 3]), np.ones((2, 1), np.int8))
    assert found.values[0] == pytest.approx(9.5)
    assert found.stderr[0] == pytest.approx(0.5)
    assert found.low[0] >= 0


def test_is_the_mean_loss_times_the_number_of_epochs():
    run = make_evidence()
    given_run = run["trajectory.loss"], run["trajectory.epochs"], run["design.member"]
    np.testing.assert_allclose(cumulative_sample_loss(*given_run).values, 9 * learning_events_loss(*given_run).values)


def test_undefined_without_members_or_presentations():
    member = np.array([[1, 0, 0], [1, 0, 1]], np.int8)
    found = cumulative_sample_loss(np.ones((2, 2, 3)), np.array([0, 1]), member)
    np.testing.assert_array_equal(np.isnan(found.values), [False, True, False])
    shown = np.array([[3, 0, 0], [3, 0, 0]])
    found = cumulative_sample_loss_presentation(np.ones((2, 3)), shown, member)
    np.testing.assert_array_equal(np.isnan(found.values), [False, True, True])
    assert found.reason(2) == "a member of no model"


def test_exponential_losses_have_their_closed_form():
    """Losses exponential with mean 2^-t at epochs t = 0 .. 4 add up to 1.9375 in expectation."""
    rng = np.random.default_rng(6)
    member, _ = half_subset_pairs(rng, 24, 2000)
    loss = rng.exponential(1.0, (24, 5, 2000)) * 0.5 ** np.arange(5)[:, None]
    found = cumulative_sample_loss(loss, np.arange(5), member)
    assert abs(found.values.mean() - 1.9375) < 4 * found.values.std() / np.sqrt(2000)
    # 12 skewed sums a mean: the Student interval holds a little less than 95 %
    assert 0.91 <= np.mean((found.low <= 1.9375) & (found.high >= 1.9375)) <= 0.97


def test_a_learner_that_is_always_sure_and_right_is_exactly_zero():
    found = cumulative_sample_loss(np.zeros((4, 3, 5)), np.arange(3), np.ones((4, 5), np.int8))
    np.testing.assert_array_equal(found.values, 0.0)
    assert np.isnan(found.stderr).all()


@pytest.mark.parametrize(("members", "covered"), [(4, 0.81), (32, 0.89)])
def test_skewed_losses_are_held_less_often(members, covered):
    """Log-normal losses with sigma 1 at one checkpoint: the docstring names these. 4,000 trials."""
    loss = np.random.default_rng(9).lognormal(0.0, 1.0, (members, 1, 4000))
    found = cumulative_sample_loss(loss, np.array([0]), np.ones((members, 4000), np.int8))
    truth = np.exp(0.5)
    assert np.mean((found.low <= truth) & (truth <= found.high)) == pytest.approx(covered, abs=0.025)
