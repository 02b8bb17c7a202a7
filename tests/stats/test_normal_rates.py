from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm, t

from byrote.stats.contrasts import contrast_of_rates, weights
from byrote.stats.normal_rates import LEAST_ERROR, normal_rates, score_and_rate


def cells(values: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Counts, means, sample variances and values above 0 of sides `[model, example]` of one stratum."""
    sides = [(np.full(x.shape[1], len(x)), x.mean(0), x.var(0, ddof=1), (x > 0).sum(0)) for x in values]
    count, mean, variance, above = (np.stack(of)[None] for of in zip(*sides, strict=True))
    return count, mean, variance, above


def test_the_formula_by_a_slow_loop() -> None:
    rng = np.random.default_rng(0)
    sides = [rng.normal(0.5, 2.0, (5, 7)), rng.normal(2.0, 1.0, (9, 7))]
    count, mean, variance, above = cells(sides)
    found = normal_rates(count, mean, variance, above)
    beyond, total, plain = 0.0, 0.0, {}
    for side, x in enumerate(sides):
        n, usual = len(x), np.median(x.var(0, ddof=1)) / (1 - 2 / (9 * (len(x) - 1))) ** 3
        for i in range(7):
            z = x[:, i].mean() / np.sqrt((4 * usual + (n - 1) * x[:, i].var(ddof=1)) / (n + 3))
            p = norm.cdf(z / np.sqrt(1 - 1 / n))
            variance_of_z = 1 / n + z**2 / (2 * (n + 3))
            variance_of_p = norm.pdf(z) ** 2 * variance_of_z
            beyond += ((x[:, i] > 0).mean() - p) ** 2 - max((p * (1 - p) + variance_of_p) / n - variance_of_p, 0)
            total += p * (1 - p) + variance_of_p
            plain[side, i] = p, z, t.ppf(0.975, n + 3) * np.sqrt(variance_of_z)
    assert found.error == pytest.approx(np.sqrt(max(beyond, 0) / total))
    for (side, i), (p, z, reach) in plain.items():
        n = len(sides[side])
        q = (n * p + 1) / (n + 2)
        beside = norm.ppf(0.975) * max(found.error, LEAST_ERROR) * np.sqrt(q * (1 - q))
        down, up = p - norm.cdf(z - reach), norm.cdf(z + reach) - p
        assert found.value[0, side, i] == pytest.approx(p)
        low, high = p - np.hypot(max(down, 0), beside), p + np.hypot(max(up, 0), beside)
        right, least = (sides[side][:, i] > 0).sum(), 0.1 ** (1 / (n + 1))
        assert found.low[0, side, i] == pytest.approx(max(min(low, least) if right == n else low, 0))
        assert found.high[0, side, i] == pytest.approx(min(max(high, 1 - least) if right == 0 else high, 1))


def test_a_difference_has_the_squared_distances_to_the_ends() -> None:
    rng = np.random.default_rng(1)
    count, mean, variance, above = cells([rng.normal(0, 1, (6, 3)), rng.normal(1, 1, (6, 3))])
    found = normal_rates(count, mean, variance, above, one_mode=True)
    value, interval = found.contrast(weights(count))
    down = np.sqrt((found.value[0, 1] - found.low[0, 1]) ** 2 + (found.high[0, 0] - found.value[0, 0]) ** 2)
    up = np.sqrt((found.high[0, 1] - found.value[0, 1]) ** 2 + (found.value[0, 0] - found.low[0, 0]) ** 2)
    np.testing.assert_allclose(value, found.value[0, 1] - found.value[0, 0])
    np.testing.assert_allclose(interval.low, np.maximum(value - down, -1))
    np.testing.assert_allclose(interval.high, np.minimum(value + up, 1))
    np.testing.assert_allclose(interval.stderr, (down + up) / 2 / norm.ppf(0.975))


def test_where_two_modes_are_not_excluded_no_interval_is_shorter_than_that_of_counts() -> None:
    right, wrong = np.array([[2.9], [3.0], [3.1], [3.0]]), np.array([[-3.1], [-3.0], [-2.9], [-3.0]])
    count, mean, variance, above = cells([wrong, right])
    found = normal_rates(count, mean, variance, above)
    assert not found.one_mode
    _, interval = found.contrast(weights(count))
    _, by_counts = contrast_of_rates(above, count)
    assert interval.low[0] == pytest.approx(by_counts.low[0])
    assert interval.low[0] == pytest.approx(0.245, abs=0.001)
    assert interval.stderr[0] >= by_counts.stderr[0]
    _, alone = normal_rates(count, mean, variance, above, one_mode=True).contrast(weights(count))
    assert alone.low[0] == pytest.approx(1 - np.sqrt(2) * (1 - 0.1**0.2))  # the floor of either rate


def test_strata_count_by_their_models() -> None:
    count = np.array([[[4], [4]], [[2], [2]], [[0], [0]]])
    mean = np.array([[[0.0], [50.0]], [[0.0], [0.0]], [[np.nan], [np.nan]]])
    variance = np.where(count > 0, 1.0, np.nan)
    value, _ = normal_rates(count, mean, variance, np.array([[[2], [4]], [[1], [1]], [[0], [0]]])).contrast(
        weights(count)
    )
    np.testing.assert_allclose(value, [0.5 * 2 / 3])


def test_values_without_any_spread_are_above_or_not() -> None:
    score, rate = score_and_rate(np.full((1, 1, 3), 4), np.array([[[2.0, 0.0, -1.0]]]), np.zeros((1, 1, 3)))
    np.testing.assert_array_equal(rate, [[[1.0, 0.0, 0.0]]])
    assert np.isfinite(score).all()


def test_what_is_not_known_spoils_no_other_example() -> None:
    mean, variance = np.array([[[1.0, np.nan, 1.0]]]), np.array([[[1.0, np.inf, 1.0]]])
    _, rate = score_and_rate(np.array([[[5, 5, 1]]]), mean, variance)
    np.testing.assert_array_equal(np.isnan(rate), [[[False, True, True]]])
    found = normal_rates(np.array([[[5, 5, 1]]]), mean, variance, np.array([[[4, 4, 1]]]))
    assert np.isfinite(found.error)
    np.testing.assert_array_equal(np.isnan(found.low), np.isnan(found.value))


@pytest.mark.parametrize("models", [4, 16])
def test_rates_of_normal_values_are_without_bias(models: int) -> None:
    rng = np.random.default_rng(models)
    mean, spread = rng.normal(0.5, 2.0, 400), np.exp(rng.normal(0, 0.1, 400))
    truth = norm.cdf(mean / spread)
    draws = [cells([mean + spread * rng.normal(size=(models, 400))]) for _ in range(60)]
    values = np.mean([score_and_rate(count, of, variance)[1][0, 0] for count, of, variance, _ in draws], axis=0)
    off = (values - truth) * np.sign(0.5 - truth)  # above 0 where rates are drawn to one half
    assert abs(off.mean()) < 0.005
    for low, high in ((0.0, 0.1), (0.1, 0.4), (0.4, 0.6), (0.6, 0.9), (0.9, 1.0)):
        assert abs((values - truth)[(truth >= low) & (truth <= high)].mean()) < 0.01


def test_the_error_of_the_form_is_small_of_normal_values_and_large_of_values_with_long_tails() -> None:
    rng = np.random.default_rng(2)
    mean = rng.normal(0.5, 2.0, 600)
    drawn = {"normal": rng.normal(size=(32, 600)), "t": t.rvs(3, size=(32, 600), random_state=rng) / np.sqrt(3)}
    error = {name: normal_rates(*cells([mean + x])).error for name, x in drawn.items()}
    assert error["normal"] < 0.05 < 0.1 < error["t"]
