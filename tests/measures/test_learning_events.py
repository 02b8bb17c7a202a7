import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.special import expit

from byrote.measures.learning_events import (
    learning_events,
    learning_events_accuracy,
    learning_events_entropy,
    learning_events_loss,
    learning_events_top_confidence,
)
from measures.evidence import half_subset_pairs, make_evidence, slow_epoch_sum, slow_member_mean

FORMS = {
    "probability": (learning_events, lambda v: 1 - v),
    "top_confidence": (learning_events_top_confidence, lambda v: 1 - v),
    "entropy": (learning_events_entropy, lambda v: v),
    "correct": (learning_events_accuracy, lambda v: 1 - v.astype(np.float64)),
    "loss": (learning_events_loss, lambda v: v),
}
every_form = pytest.mark.parametrize("name", FORMS)


@every_form
@given(
    st.integers(1, 4),
    st.integers(1, 7),
    st.lists(st.integers(0, 30), min_size=1, unique=True),
    st.integers(0, 99),
)
def test_agrees_with_the_slow_loop(name, pairs, examples, epochs, seed):
    run = make_evidence(models=2 * pairs, examples=examples, epochs=tuple(sorted(epochs)), seed=seed, unknown=0.2)
    function, turned = FORMS[name]
    values, at, member = run[f"trajectory.{name}"], run["trajectory.epochs"], run["design.member"]
    span = at[-1] - at[0] + 1
    expected = slow_member_mean(lambda k, i: slow_epoch_sum(turned(values[k, :, i]), at) / span, member)
    found = function(values, at, member)
    np.testing.assert_allclose(found.values, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(found.counts["members"], (member == 1).sum(0))


@every_form
def test_errors_are_those_of_the_mean_over_members(name):
    run = make_evidence(seed=1)
    function, turned = FORMS[name]
    values, at, member = run[f"trajectory.{name}"], run["trajectory.epochs"], run["design.member"]
    found = function(values, at, member)
    for i in range(member.shape[1]):
        sums = [slow_epoch_sum(turned(values[k, :, i]), at) / 9 for k in np.flatnonzero(member[:, i] == 1)]
        if np.ptp(sums) > 1e-6:
            assert found.stderr[i] == pytest.approx(stats.sem(sums), rel=1e-4)


def test_by_hand():
    """Epochs 0, 1, 3 stand for 0, 1, 2, 3 with weights 1, 1.5, 1.5: (1 * .8 + 1.5 * .4 + 1.5 * 0) / 4."""
    probability = np.array([[[0.2], [0.6], [1.0]]] * 3)
    found = learning_events(probability, np.array([0, 1, 3]), np.array([[1], [1], [0]], np.int8))
    assert found.values[0] == pytest.approx(0.35)
    assert found.counts["members"][0] == 2


@every_form
def test_without_a_member_it_is_undefined_and_with_one_its_error_is(name):
    run = make_evidence(seed=2, models=4, examples=3)
    member = np.array([[1, 0, 1], [0, 0, 1], [0, -1, -1], [0, 0, 0]], np.int8)
    found = FORMS[name][0](run[f"trajectory.{name}"], run["trajectory.epochs"], member)
    np.testing.assert_array_equal(np.isnan(found.values), [False, True, False])
    assert found.reason(1) == "a member of no model"
    assert np.isnan([found.stderr[0], found.low[0], found.high[0]]).all()


def test_a_record_that_is_not_finite_is_undefined():
    loss = np.ones((4, 2, 3))
    loss[1, 1, 2] = np.inf
    loss[2, 0, 1] = np.nan
    found = learning_events_loss(loss, np.array([0, 1]), np.ones((4, 3), np.int8))
    np.testing.assert_array_equal(np.isnan(found.values), [False, True, True])
    assert found.reason(2) == "a model's record of it is not finite"


def test_a_lookup_learner_is_exactly_zero_and_one_that_never_learns_exactly_one():
    member = np.ones((6, 5), np.int8)
    epochs = np.array([0, 1, 2, 3, 5, 8, 13, 100])
    for answer, expected in ((1.0, 0.0), (0.0, 1.0)):
        probability = np.full((6, 8, 5), answer, np.float32)
        for found in (
            learning_events(probability, epochs, member),
            learning_events_accuracy(probability == 1, epochs, member),
        ):
            np.testing.assert_array_equal(found.values, expected)
            # all agree: one success and one failure added to 6 of 6 gives a rate of 7/8
            np.testing.assert_allclose(found.stderr, np.sqrt(7 / 8 * 1 / 8 / 8))


def test_unbounded_forms_that_agree_have_an_unknown_error():
    found = learning_events_loss(np.full((4, 2, 1), 0.5), np.array([0, 1]), np.ones((4, 1), np.int8))
    assert found.values[0] == 0.5
    assert np.isnan([found.stderr[0], found.low[0], found.high[0]]).all()


def test_gaussian_model_has_its_closed_form():
    """Log-odds of members N(t, 1) at epochs t = 0, 1, 2: mean over t of 1 - E expit, by quadrature."""
    rng = np.random.default_rng(5)
    member, _ = half_subset_pairs(rng, 20, 2000)
    epochs = np.arange(3)
    log_odds = epochs[:, None] * 1.0 + rng.normal(0, 1, (20, 3, 2000))
    grid = np.linspace(-12, 12, 4001)
    weight = stats.norm.pdf(grid) * (grid[1] - grid[0])
    truth = np.mean([1 - weight @ expit(t + grid) for t in epochs])
    found = learning_events(expit(log_odds), epochs, member)
    assert abs(found.values.mean() - truth) < 4 * found.values.std() / np.sqrt(2000)
    assert 0.93 <= np.mean((found.low <= truth) & (truth <= found.high)) <= 0.97
