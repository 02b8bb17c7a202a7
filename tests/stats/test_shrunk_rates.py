from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import beta

from byrote.stats.shrunk_rates import ends_of_rates, shrunk_rates


def pooled(rate: list[float], weight: list[float]) -> list[float]:
    """Isotonic regression by pooling neighbours that fall, over and over."""
    blocks = [([value], [w]) for value, w in zip(rate, weight, strict=True)]

    def mean(block: tuple[list[float], list[float]]) -> float:
        return float(np.average(block[0], weights=block[1]))

    at = 0
    while at + 1 < len(blocks):
        if mean(blocks[at]) > mean(blocks[at + 1]):
            blocks[at : at + 2] = [(blocks[at][0] + blocks[at + 1][0], blocks[at][1] + blocks[at + 1][1])]
            at = max(at - 1, 0)
        else:
            at += 1
    return [mean(block) for block in blocks for _ in block[0]]


def test_the_formula_by_a_slow_loop() -> None:
    rng = np.random.default_rng(0)
    count = rng.integers(1, 9, 30)
    right = rng.binomial(count, 0.6)
    probability = rng.permutation(30) / 30
    found = shrunk_rates(right, count, probability)
    order = np.argsort(probability)
    curve = pooled((right / count)[order].tolist(), count[order].astype(float).tolist())
    for place, i in enumerate(order):
        assert found[i] == pytest.approx((right[i] + 8 * curve[place]) / (count[i] + 8))


def test_examples_of_one_probability_share_a_curve_in_any_order() -> None:
    right, count, probability = np.array([0, 4, 2, 4]), np.full(4, 4), np.array([0.5, 0.5, 0.5, 0.9])
    found = shrunk_rates(right, count, probability)
    np.testing.assert_allclose(found, [4 / 12, 8 / 12, 6 / 12, 1.0])
    np.testing.assert_allclose(shrunk_rates(right[::-1], count, probability[::-1]), found[::-1])


def test_what_is_not_known_spoils_no_other_example() -> None:
    found = shrunk_rates(np.array([0, 1, 2]), np.array([0, 2, 2]), np.array([np.nan, 0.5, np.inf]))
    np.testing.assert_array_equal(np.isnan(found), [True, False, True])
    assert np.isnan(shrunk_rates(np.array([0]), np.array([0]), np.array([np.nan]))).all()


def test_intervals_are_those_of_so_many_answers() -> None:
    rate, count = np.array([0.0, 0.25, 1.0]), np.array([8, 8, 8])
    low, high = ends_of_rates(rate, count)
    np.testing.assert_allclose(low[1], beta.ppf(0.025, 2.5, 6.5))
    np.testing.assert_allclose(high[:2], beta.ppf(0.975, [0.5, 2.5], [8.5, 6.5]))
    assert (low[0], high[2]) == (0.0, 1.0)
