from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from byrote.errors import MissingEvidence
from byrote.measures.forgetting_events import forgetting_events, forgetting_events_checkpoint
from measures.evidence import make_evidence, slow_member_mean


def slow_events(right) -> int:
    """Events along one sequence of answers; all of it where none is right."""
    if not any(right):
        return len(right)
    return sum(a and not b for a, b in pairwise(right))


@given(st.integers(1, 4), st.integers(1, 7), st.integers(0, 99))
def test_agrees_with_the_slow_loop(pairs, examples, seed):
    run = make_evidence(models=2 * pairs, examples=examples, seed=seed, unknown=0.2)
    count, first, shown, member = (
        run[name]
        for name in (
            "presentation.forgetting_count",
            "presentation.first_learned",
            "presentation.presentations",
            "design.member",
        )
    )
    expected = slow_member_mean(lambda k, i: count[k, i] if first[k, i] else shown[k, i], member)
    found = forgetting_events(count, first, shown, member)
    np.testing.assert_allclose(found.values, expected)
    np.testing.assert_array_equal(found.counts["never_learned"], ((member == 1) & (first == 0)).sum(0))
    np.testing.assert_array_equal(found.counts["members"], (member == 1).sum(0))


@given(
    st.integers(1, 4),
    st.integers(1, 7),
    st.lists(st.integers(1, 30), min_size=2, unique=True),
    st.integers(0, 99),
)
def test_checkpoints_agree_with_the_slow_loop(pairs, examples, epochs, seed):
    run = make_evidence(models=2 * pairs, examples=examples, epochs=(0, *sorted(epochs)), seed=seed, unknown=0.2)
    correct, at, member = run["trajectory.correct"], run["trajectory.epochs"], run["design.member"]
    expected = slow_member_mean(lambda k, i: slow_events(correct[k, 1:, i]), member)
    found = forgetting_events_checkpoint(correct, at, member)
    np.testing.assert_allclose(found.values, expected)
    never = ((member == 1) & ~correct[:, 1:].any(1)).sum(0)
    np.testing.assert_array_equal(found.counts["never_learned"], never)
    without_start = forgetting_events_checkpoint(correct[:, 1:], at[1:], member)
    np.testing.assert_array_equal(without_start.values, found.values)


def test_by_hand():
    """Right, wrong, right, wrong is forgotten twice; never right at 4 checkpoints is 4; the mean is 3."""
    correct = np.array([[1, 1, 0, 1, 0], [1, 0, 0, 0, 0]], bool)[:, :, None]
    found = forgetting_events_checkpoint(correct, np.arange(5), np.ones((2, 1), np.int8))
    assert found.values[0] == 3.0
    assert found.counts["never_learned"][0] == 1


def test_never_learned_is_the_far_end_and_never_zero():
    count, first = np.array([[0, 0, 4]] * 3), np.array([[0, 1, 1]] * 3)
    shown = np.full((3, 3), 10)
    found = forgetting_events(count, first, shown, np.ones((3, 3), np.int8))
    np.testing.assert_array_equal(found.values, [10.0, 0.0, 4.0])
    np.testing.assert_array_equal(found.counts["never_learned"], [3, 0, 0])
    assert np.isnan(found.stderr).all()  # all models agree on a count: its error is unknown


def test_undefined_without_members_or_presentations():
    member = np.array([[0, 1, 1], [0, 1, 0]], np.int8)
    shown = np.array([[5, 0, 5], [5, 0, 5]])
    found = forgetting_events(np.zeros((2, 3), int), np.ones((2, 3), int), shown, member)
    np.testing.assert_array_equal(np.isnan(found.values), [True, True, False])
    assert found.reason(1) == "a member of no model"
    assert np.isnan(found.stderr[2])  # a single model


@pytest.mark.parametrize("epochs", [[0, 4], [4], [0]])
def test_too_few_checkpoints_are_refused(epochs):
    with pytest.raises(MissingEvidence, match="2 or more epochs after 0"):
        forgetting_events_checkpoint(np.ones((2, len(epochs), 1), bool), np.array(epochs), np.ones((2, 1), np.int8))


def test_coin_flips_have_their_closed_form():
    """Fair answers at 10 checkpoints: 9 / 4 events, and 10 instead of 0 with chance 2^-10."""
    rng = np.random.default_rng(7)
    correct = rng.random((20, 10, 3000)) < 0.5
    found = forgetting_events_checkpoint(correct, np.arange(1, 11), np.ones((20, 3000), np.int8))
    truth = 9 / 4 + 10 / 2**10
    assert abs(found.values.mean() - truth) < 4 * found.values.std() / np.sqrt(3000)
    assert 0.93 <= np.mean((found.low <= truth) & (truth <= found.high)) <= 0.97


@pytest.mark.parametrize(("members", "covered"), [(4, 0.2), (16, 0.55), (32, 0.8)])
def test_rare_models_that_never_learn_are_missed_by_the_interval(members, covered):
    """One model in twenty stands at 60 presentations, the others at half an event: the docstring names these."""
    rng = np.random.default_rng(8)
    never = rng.random((members, 4000)) < 0.05
    count, first = rng.poisson(0.5, never.shape), np.where(never, 0, 1)
    found = forgetting_events(count, first, np.full(never.shape, 60), np.ones(never.shape, np.int8))
    truth = 0.05 * 60 + 0.95 * 0.5
    assert np.mean((found.low <= truth) & (truth <= found.high)) == pytest.approx(covered, abs=0.03)
