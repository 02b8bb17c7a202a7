import numpy as np
import pytest

from byrote.stats.contrasts import (
    contrast,
    contrast_of_rates,
    models_it_takes,
    too_few,
    weights,
)
from byrote.stats.intervals import agresti_caffo


def test_one_stratum_is_agresti_and_caffos():
    rng = np.random.default_rng(0)
    models = rng.integers(2, 20, (1, 2, 50))
    right = rng.binomial(models, 0.6)
    values, interval = contrast_of_rates(right, models)
    expected = agresti_caffo(right[0, 1], models[0, 1], right[0, 0], models[0, 0])
    np.testing.assert_array_equal(values, right[0, 1] / models[0, 1] - right[0, 0] / models[0, 0])
    for name in ("stderr", "low", "high"):
        np.testing.assert_allclose(getattr(interval, name), getattr(expected, name), rtol=1e-12)


def test_the_interval_is_price_and_bonetts_by_hand():
    """4 cells, so that half a success and half a failure are added to each; 1/2 less in the divisor of 2 strata."""
    right, models = np.array([[[1], [3]], [[0], [5]]]), np.array([[[4], [4]], [[6], [6]]])
    weight = [8 / 20, 12 / 20]
    rates = [[1.5 / 5, 3.5 / 5], [0.5 / 7, 5.5 / 7]]
    variance = sum(
        w**2 * sum(p * (1 - p) / (n + 0.5) for p, n in zip(pair, (side, side), strict=True))
        for w, pair, side in zip(weight, rates, (4, 6), strict=True)
    )
    values, interval = contrast_of_rates(right, models)
    assert values[0] == pytest.approx(0.4 * 0.5 + 0.6 * 5 / 6)
    assert interval.stderr[0] == pytest.approx(variance**0.5)
    centre = sum(w * (p[1] - p[0]) for w, p in zip(weight, rates, strict=True))
    assert interval.low[0] == pytest.approx(centre - 1.959964 * variance**0.5, abs=1e-6)


def test_a_side_that_is_missing_leaves_nothing():
    models = np.array([[[4], [4]], [[6], [0]]])
    values, interval = contrast_of_rates(models, models)
    assert np.isnan([values[0], interval.stderr[0], interval.low[0], interval.high[0]]).all()


def test_a_stratum_without_models_of_an_example_does_not_count():
    models = np.array([[[4], [4]], [[0], [0]]])
    right = np.array([[[1], [3]], [[0], [0]]])
    assert contrast_of_rates(right, models)[0][0] == pytest.approx(0.5)
    assert not too_few(models)[0]


def test_weights_are_shares_of_models():
    np.testing.assert_array_equal(weights(np.array([[[1], [2]], [[5], [4]]]))[:, 0], [0.25, 0.75])


def test_two_a_side_in_every_stratum_that_an_example_has():
    count = np.array([[[2, 1, 9], [2, 5, 1]], [[2, 5, 0], [3, 5, 0]]])
    np.testing.assert_array_equal(too_few(count), [False, True, False])


def test_how_many_models_it_takes():
    """At a rate of 1/6 on one side, 95 % of examples have 2 of 32 models and the other half's mirror image: 64 models
    give (1 - .022)^2 = .956 of the examples what they need, 60 fewer."""
    rng = np.random.default_rng(0)
    inside = rng.binomial(32, 1 / 6, 4000)
    count = np.array([[32 - inside, inside], [inside, 32 - inside]])
    takes = models_it_takes(count)
    assert 56 <= takes <= 66
    assert models_it_takes(np.array([[[9], [0]], [[5], [5]]])) is None


def test_how_many_models_it_takes_where_examples_take_turns():
    """Ratios of .1 and .5: 20 models a ratio, however few there are now."""
    count = np.array([[[4, 5], [1, 0]], [[3, 2], [2, 3]]])
    assert models_it_takes(count) == 40


def test_coverage_with_strata():
    """32 models in two strata of 16, in rates of 1/4 and 3/4: at least .93 at true rates that differ by stratum."""
    rng = np.random.default_rng(1)
    models = np.array([[[12], [4]], [[4], [12]]])
    for rates in ([[0.5, 0.7], [0.6, 0.8]], [[0.1, 0.9], [0.3, 0.95]], [[0.02, 0.05], [0.9, 0.98]]):
        true = np.array(rates)[:, :, None]
        right = rng.binomial(models, true, (4000, 2, 2, 1)).squeeze(-1).transpose(1, 2, 0)
        counts = np.broadcast_to(models, right.shape)
        interval = contrast_of_rates(right, counts)[1]
        truth = contrast(true, weights(models))[0]
        covered = (interval.low <= truth) & (truth <= interval.high)
        assert covered.mean() > 0.93
