import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from byrote.measures.area_under_margin import area_under_margin, area_under_margin_checkpoint
from measures.evidence import half_subset_pairs, make_evidence, slow_epoch_sum, slow_member_mean


@given(st.integers(1, 4), st.integers(1, 7), st.integers(0, 99))
def test_agrees_with_the_slow_loop(pairs, examples, seed):
    run = make_evidence(models=2 * pairs, examples=examples, seed=seed, unknown=0.2)
    total, shown = run["presentation.logit_margin_sum"], run["presentation.presentations"].copy()
    shown[0] = 0
    member = np.where(shown > 0, run["design.member"], 0)
    expected = slow_member_mean(lambda k, i: -np.float64(total[k, i]) / shown[k, i], member)
    found = area_under_margin(total, shown, run["design.member"])
    np.testing.assert_allclose(found.values, expected, rtol=1e-9)


@given(
    st.integers(1, 4),
    st.integers(1, 7),
    st.lists(st.integers(0, 30), min_size=1, unique=True),
    st.integers(0, 99),
)
def test_checkpoints_agree_with_the_slow_loop(pairs, examples, epochs, seed):
    run = make_evidence(models=2 * pairs, examples=examples, epochs=tuple(sorted(epochs)), seed=seed, unknown=0.2)
    margin, at, member = run["trajectory.logit_margin"], run["trajectory.epochs"], run["design.member"]
    span = at[-1] - at[0] + 1
    expected = slow_member_mean(lambda k, i: -slow_epoch_sum(margin[k, :, i], at) / span, member)
    found = area_under_margin_checkpoint(margin, at, member)
    np.testing.assert_allclose(found.values, expected, rtol=1e-9, atol=1e-12)


def test_by_hand():
    """Margins of -6 over 3 presentations and +2 over 4: -(-2 + .5) / 2."""
    found = area_under_margin(np.array([[-6.0], [2.0]]), np.array([[3], [4]]), np.ones((2, 1), np.int8))
    assert found.values[0] == pytest.approx(0.75)
    assert found.stderr[0] == pytest.approx(1.25)


def test_undefined_without_members_or_presentations():
    member = np.array([[0, 1, 1], [0, 1, 0]], np.int8)
    found = area_under_margin(np.ones((2, 3)), np.array([[5, 5, 0], [5, 5, 5]]), member)
    np.testing.assert_array_equal(np.isnan(found.values), [True, False, True])
    found = area_under_margin_checkpoint(np.ones((2, 1, 3)), np.array([1]), member)
    np.testing.assert_array_equal(np.isnan(found.values), [True, False, False])


def test_gaussian_margins_have_their_closed_form():
    """Members' margins N(t, 2^2) at t = 0 .. 4: minus the mean is -2."""
    rng = np.random.default_rng(8)
    member, _ = half_subset_pairs(rng, 20, 3000)
    margin = np.arange(5)[:, None] + rng.normal(0, 2, (20, 5, 3000))
    found = area_under_margin_checkpoint(margin, np.arange(5), member)
    assert abs(found.values.mean() + 2) < 4 * found.values.std() / np.sqrt(3000)
    assert 0.93 <= np.mean((found.low <= -2) & (found.high >= -2)) <= 0.97
