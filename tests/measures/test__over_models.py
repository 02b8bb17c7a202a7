import numpy as np
import pytest
from scipy import stats

from byrote.measures._over_models import over_models


def line(each, pair, **changes):
    settings = {"counts": np.array([3]), "bounds": (-1.0, 1.0), "why": "nothing", **changes}
    return over_models(np.asarray(each)[:, None, :], np.arange(len(each[0])), pair, ("one",), **settings)


def test_the_interval_is_students_over_pairs():
    values = np.random.default_rng(0).normal(0, 0.1, (8, 2))
    found = line(values, np.arange(8) // 2)
    of_pairs = values.reshape(4, 2, 2).mean(1)
    error = of_pairs.std(0, ddof=1) / 2
    np.testing.assert_allclose(found.values[0], values.mean(0))
    np.testing.assert_allclose(found.stderr[0], error)
    np.testing.assert_allclose(found.high[0] - found.values[0], stats.t.ppf(0.975, 3) * error)


def test_about_one_interval_of_twenty_misses_the_truth():
    rng = np.random.default_rng(1)
    missed = 0
    for _ in range(200):
        found = line(rng.normal(0.2, 0.05, (10, 1)), np.arange(10) // 2)
        missed += not found.low[0, 0] <= 0.2 <= found.high[0, 0]
    assert 4 <= missed <= 16


def test_models_without_a_value_are_left_out():
    found = line([[np.nan], [0.1], [0.2], [0.6]], np.full(4, -1))
    assert found.values[0, 0] == pytest.approx(0.3)
    assert found.stderr[0, 0] == pytest.approx(np.std([0.1, 0.2, 0.6], ddof=1) / np.sqrt(3))


@pytest.mark.parametrize("models", [1, 2, 4])
def test_the_error_takes_three_pairs(models):
    found = line(np.linspace(0, 0.5, models)[:, None], np.arange(models) // 2)
    assert np.isfinite(found.values).all()
    assert np.isnan(found.stderr).all()
    assert "fewer than 3 pairs of models" in found.note


def test_a_line_without_values_says_why():
    found = line(np.full((4, 2), np.nan), np.full(4, -1), why="no class has two examples")
    assert np.isnan(found.values).all()
    assert found.note == "one: no class has two examples"


def test_models_that_agree_have_no_error_and_bounds_hold():
    assert np.isnan(line(np.full((5, 1), 0.3), np.full(5, -1)).stderr).all()
    found = line([[0.99], [1.0], [0.7], [1.0]], np.full(4, -1))
    assert found.high[0, 0] == 1.0
