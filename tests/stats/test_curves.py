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


def test_unknown_where_replicates_are_few_or_undefined():
    few = curve_interval(np.array([0.5]), np.array([[0.4], [0.6]]))
    assert np.isnan([few.stderr, few.low, few.high]).all()
    found = curve_interval(np.array([0.5, 0.5]), np.array([[0.4, np.nan], [0.5, 0.5], [0.6, 0.5]]))
    np.testing.assert_array_equal(np.isnan(found.stderr), [False, True])
    assert np.isnan([found.low[1], found.high[1]]).all()


def test_the_interval_stays_in_the_bounds_and_reaches_the_value():
    found = curve_interval(np.array([0.99]), np.array([[0.8], [0.9], [1.0]]))
    assert (found.low[0], found.high[0]) == (pytest.approx(0.99 - 4.302653 * 0.1154701), 1.0)
