import numpy as np
import pytest

from byrote.stats.curves import curve_interval
from byrote.stats.jackknife import from_replicates


def test_each_point_has_the_jackknife_of_its_replicates():
    replicates = np.random.default_rng(0).uniform(0.3, 0.7, (8, 5))
    values = replicates.mean(0)
    found = curve_interval(values, replicates)
    for point in range(5):
        scalar = from_replicates(values[point], replicates[:, point], models=16, examples=3)
        assert found.stderr[point] == pytest.approx(scalar.stderr)
        assert (found.low[point], found.high[point]) == pytest.approx((max(scalar.low, 0), min(scalar.high, 1)))


def test_a_point_that_never_moves_has_the_error_of_a_rate():
    """8 of 8 with a success and a failure added: rate .9, error sqrt(.9 * .1 / 10)."""
    found = curve_interval(np.ones(1), np.ones((8, 1)))
    assert found.stderr[0] == pytest.approx(np.sqrt(0.9 * 0.1 / 10))
    assert found.high[0] == 1.0


def rate_error(value, cells):
    rate = (value * cells + 1) / (cells + 2)
    return np.sqrt(rate * (1 - rate) / (cells + 2))


def test_no_error_is_below_that_of_a_rate_among_the_answers():
    """1000 of 1000 with a success and a failure added; and where replicates move less than single answers would."""
    still = curve_interval(np.ones(1), np.ones((8, 1)), cells=1000)
    assert still.stderr[0] == pytest.approx(rate_error(1.0, 1000))
    assert still.low[0] == pytest.approx(1001 / 1002 - 1.959964 * rate_error(1.0, 1000))
    assert still.high[0] == 1.0
    quiet = curve_interval(np.array([0.5]), np.linspace(0.4999, 0.5001, 8)[:, None], cells=1000)
    assert quiet.stderr[0] == pytest.approx(rate_error(0.5, 1000))


def test_the_error_does_not_jump_where_the_last_answer_is_right():
    """One of 8 models is wrong on one of its 600 answers; then none is."""
    wrong = np.zeros(8)
    wrong[0] = 1 / 600
    shares = np.stack([1 - wrong, np.ones(8)], axis=1)
    values = shares.mean(0)
    found = curve_interval(values, (shares.sum(0) - shares) / 7, cells=4800)
    assert found.stderr[0] / found.stderr[1] == pytest.approx(np.sqrt(2), rel=0.01)
    assert found.low[0] < found.low[1]
    assert found.high.tolist() == [1.0, 1.0]


def test_unknown_where_replicates_are_few_or_undefined():
    few = curve_interval(np.array([0.5]), np.array([[0.4], [0.6]]), cells=100)
    assert np.isnan([few.stderr, few.low, few.high]).all()
    found = curve_interval(np.array([0.5, 0.5]), np.array([[0.4, np.nan], [0.5, 0.5], [0.6, 0.5]]), cells=100)
    np.testing.assert_array_equal(np.isnan(found.stderr), [False, True])
    assert np.isnan([found.low[1], found.high[1]]).all()


def test_the_interval_stays_in_the_bounds_and_reaches_the_value():
    found = curve_interval(np.array([0.99]), np.array([[0.8], [0.9], [1.0]]))
    assert (found.low[0], found.high[0]) == (pytest.approx(0.99 - 4.302653 * 0.1154701), 1.0)
