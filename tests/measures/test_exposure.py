from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from byrote.measures.exposure import (
    exposure,
    exposure_best,
    exposure_by_repetitions,
    exposure_search,
    exposure_share_by_repetitions,
    exposure_skew_normal,
)
from byrote.runs.run import table


def seen(canaries: int, models: int = 1, repetitions: int = 4):
    """Every model is trained on one document of each canary."""
    return (
        np.full(canaries, repetitions, np.int64),
        np.arange(canaries, dtype=np.int32),
        np.ones((models, canaries), np.int8),
    )


def slow_exposure(own: float, others: np.ndarray) -> float:
    others = others[~np.isnan(others)]
    rank = 1.0
    for other in others:
        rank += 1.0 if other < own else 0.5 if other == own else 0.0
    return float(np.log2((len(others) + 1) / rank))


@given(st.integers(0, 10**6), st.integers(1, 3), st.integers(1, 4), st.integers(1, 9))
def test_equals_a_loop(seed, models, canaries, references):
    rng = np.random.default_rng(seed)
    own = rng.integers(0, 6, (models, canaries)).astype(np.float32)
    others = rng.integers(0, 6, (models, canaries, references + 1)).astype(np.float32)
    others[..., 0] = np.where(rng.random((models, canaries)) < 0.3, np.nan, others[..., 0])
    found = exposure(own, others, *seen(canaries, models))
    expected = [[slow_exposure(own[m, c], others[m, c]) for c in range(canaries)] for m in range(models)]
    np.testing.assert_allclose(found.values, np.mean(expected, axis=0), atol=1e-12)
    assert (found.low <= found.values).all()
    assert (found.values <= found.high).all()


def test_by_hand():
    others = np.array([[[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]] * 4])
    found = exposure(np.array([[0.5, 1.5, 7.5, 1.0]]), others, *seen(4))
    np.testing.assert_allclose(found.values, [3.0, 2.0, 0.0, np.log2(8 / 1.5)])
    np.testing.assert_allclose(found.p_value, [1 / 8, 2 / 8, 8 / 8, 2 / 8])  # a tie counts against the canary
    np.testing.assert_array_equal(found.at_least, [True, False, False, False])


def test_random_scores_give_an_exponential_exposure_capped_at_the_size_of_the_space():
    rng = np.random.default_rng(0)
    canaries, references = 4000, 255
    scores = rng.normal(size=(1, canaries, references + 1))
    found = exposure(scores[..., 0], scores[..., 1:], *seen(canaries))
    # rank uniform on 1..256: P[exposure >= x] = floor(256 2^-x) / 256, mean of 8 - log2(rank)
    assert found.values.max() == 8.0
    expected = 8 - np.log2(np.arange(1, 257)).mean()
    np.testing.assert_allclose(found.values.mean(), expected, atol=4 * 1.44 / np.sqrt(canaries))
    for bits in (1, 2, 4, 6):
        share = np.mean(found.values >= bits)
        assert abs(share - 2.0**-bits) < 4 * np.sqrt(2.0**-bits / canaries)
    for level in (0.01, 0.05, 0.3):
        assert np.mean(found.p_value <= level) < level + 4 * np.sqrt(level / canaries)


def test_a_uniform_model_has_one_bit_and_p_1():
    canaries, references = 3, 10**4
    found = exposure(np.full((1, canaries), 20.0), np.full((1, canaries, references), 20.0), *seen(canaries))
    np.testing.assert_allclose(found.values, 1.0, atol=2e-4)  # log2(2 (n + 1) / (n + 2))
    np.testing.assert_array_equal(found.p_value, 1.0)
    assert not found.at_least.any()
    searched = exposure_search(np.ones((1, 3)), np.full((1, 3), 10.0**6), np.full(3, np.log2(10.0**6)), *seen(canaries))
    np.testing.assert_allclose(searched.values, 1.0, atol=1e-5)
    np.testing.assert_allclose(searched.p_value, 1.0)


def test_only_models_trained_on_a_canary_count():
    own = np.array([[0.5, 9.0, 9.0], [9.0, 9.0, 0.5]])
    others = np.tile(np.arange(1.0, 8.0), (2, 3, 1))
    repetitions, document = np.array([2, 2, 0]), np.array([0, 1, 2, 0], np.int32)
    member = np.array([[1, 0, 0, 0], [0, 0, 0, 0]], np.int8)
    found = exposure(own, others, repetitions, document, member)
    np.testing.assert_allclose(found.values, [3.0, np.nan, 1.5])  # the control by both models
    assert [found.reason(c) for c in range(3)] == ["", "no model was trained on it", ""]
    assert np.isnan(found.p_value[1])
    unknown = exposure(own, others, repetitions, document, np.full((2, 4), -1, np.int8))
    np.testing.assert_allclose(unknown.values, [1.5, 0.0, 1.5])


def test_a_model_that_diverged_leaves_the_canary_undefined():
    own = np.array([[np.nan, 1.0]])
    found = exposure(own, np.ones((1, 2, 5)), *seen(2))
    assert np.isnan(found.values[0])
    assert "not finite" in found.reason(0)
    assert found.reason(1) == ""


def test_the_error_of_one_model_is_unknown_and_that_of_three_is_not():
    rng = np.random.default_rng(1)
    own, others = rng.normal(size=(3, 5)), rng.normal(size=(3, 5, 50))
    assert np.isnan(exposure(own[:1], others[:1], *seen(5)).stderr).all()
    many = exposure(own, others, *seen(5, 3))
    assert (many.stderr > 0).all()
    assert many.models == 3


@pytest.mark.parametrize("share", [0.02, 0.2, 0.7])
def test_the_interval_covers_what_more_references_would_show(share):
    """True exposure -log2 of the share of the space that is less perplexing; 64 references, drawn anew."""
    rng = np.random.default_rng(3)
    canaries = 2000
    others = rng.random((1, canaries, 64))
    found = exposure(np.full((1, canaries), share), others, *seen(canaries))
    truth = -np.log2(share)
    covered = (found.low <= truth) & (truth <= found.high)
    assert covered.mean() > 0.95 - 3 * np.sqrt(0.05 * 0.95 / canaries)


def test_search_reaches_from_the_worst_rank_to_the_best():
    found = exposure_search(
        np.array([[1.0, 1.0, 3.0, np.nan]]),
        np.array([[1.0, 64.0, 5.0, np.nan]]),
        np.full(4, 20.0),
        *seen(4),
    )
    np.testing.assert_allclose(found.values, [20.0, 20 - np.log2(32.5), 18.0, np.nan])
    np.testing.assert_allclose(found.low, [20.0, 14.0, 20 - np.log2(5), np.nan])
    np.testing.assert_allclose(found.high, [20.0, 20.0, 20 - np.log2(3), np.nan])
    np.testing.assert_allclose(found.p_value, [2.0**-20, 2.0**-14, 5 * 2.0**-20, np.nan])
    np.testing.assert_array_equal(found.at_least, [False, True, False, False])
    assert "not searched" in found.reason(3)


def test_a_rank_near_the_end_of_the_space_has_next_to_no_exposure():
    """Of 1,024 secrets 900 to 1,024 come first, so that the interval reaches down to 0."""
    found = exposure_search(np.array([[900.0]]), np.array([[1024.0]]), np.array([10.0]), *seen(1))
    np.testing.assert_allclose(found.values, 10 - np.log2(962))
    np.testing.assert_allclose([found.low[0], found.high[0]], [0.0, 10 - np.log2(900)])


def test_twice_the_mean_of_p_values_for_several_models():
    found = exposure_search(np.ones((2, 1)), np.array([[1.0], [3.0]]), np.array([10.0]), *seen(1, 2))
    np.testing.assert_allclose(found.p_value, 2 * (1 + 3) / 2 / 1024)


@pytest.mark.slow
def test_the_fitted_distribution_reaches_beyond_the_references():
    rng = np.random.default_rng(0)
    canaries = 200
    others = rng.normal(40, 3, (1, canaries, 256))
    sigmas = 6.0
    found = exposure_skew_normal(
        np.full((1, canaries), 40 - 3 * sigmas), others, np.full(canaries, 100.0), *seen(canaries)
    )
    rank = exposure(np.full((1, canaries), 40 - 3 * sigmas), others, *seen(canaries))
    truth = 29.92  # -log2 Phi(-6)
    fitted = found.values != rank.values
    assert fitted.mean() > 0.85
    assert abs(np.median(found.values[fitted]) - truth) < 2.5
    assert (rank.values < 8.01).all()
    np.testing.assert_allclose(found.p_value[fitted], 2.0 ** -found.values[fitted])


@pytest.mark.slow
def test_the_fitted_null_is_exponential():
    rng = np.random.default_rng(5)
    canaries = 800
    scores = rng.normal(40, 3, (1, canaries, 129))
    found = exposure_skew_normal(scores[..., 0], scores[..., 1:], np.full(canaries, 20.0), *seen(canaries))
    np.testing.assert_allclose(found.values.mean(), 1 / np.log(2), atol=0.2)
    assert np.mean(found.p_value <= 0.05) < 0.08


def test_a_poor_fit_falls_back_to_the_rank_and_says_so():
    rng = np.random.default_rng(0)
    others = rng.normal(np.where(rng.random((1, 4, 300)) < 0.5, 20, 40), 1)
    own = np.full((1, 4), 5.0)
    found = exposure_skew_normal(own, others, np.full(4, 60.0), *seen(4))
    np.testing.assert_allclose(found.values, exposure(own, others, *seen(4)).values)
    assert found.at_least.all()
    assert "for 4 of 4" in found.note


def test_the_ceiling_is_the_space():
    others = np.random.default_rng(0).normal(40, 3, (1, 1, 300))
    found = exposure_skew_normal(np.zeros((1, 1)), others, np.array([19.9]), *seen(1))
    np.testing.assert_allclose(found.values, 19.9)
    assert found.at_least.all()


def test_the_curve_takes_the_search_where_it_knows_the_rank():
    own, others = np.full((1, 4), 0.5), np.tile(np.arange(1.0, 8.0), (1, 4, 1))
    repetitions, document, member = np.array([0, 0, 4, 4]), np.arange(4, dtype=np.int32), np.ones((1, 4), np.int8)
    rank = np.array([[512.0, 256.0, 1.0, 2.0]])
    bits = np.full(4, 10.0)
    curve = exposure_by_repetitions(own, others, rank, rank, bits, repetitions, document, member)
    np.testing.assert_array_equal(curve.at, [0, 4])
    np.testing.assert_allclose(curve.values, [[1.5, 9.5]])
    np.testing.assert_allclose(curve.stderr, [[0.5, 0.5]])
    bits = np.array([10.0, 20.0, 10.0, 20.0])
    shares = exposure_share_by_repetitions(own, others, rank, rank, bits, repetitions, document, member)
    np.testing.assert_allclose(shares.values, [[(1 / 10 + 12 / 20) / 2, (10 / 10 + 19 / 20) / 2]])
    assert (shares.high[np.isfinite(shares.high)] <= 1).all()
    bits = np.full(4, 10.0)
    rank[0, 0] = np.nan
    sampled = exposure_by_repetitions(own, others, rank, rank, bits, repetitions, document, member)
    np.testing.assert_allclose(sampled.values, [[(3 + 2) / 2, 9.5]])
    assert "3 of 4 canaries by exact search" in sampled.note


def test_the_curve_takes_what_is_known_of_a_search_that_ended_early():
    others = np.tile(np.arange(1.0, 8.0), (1, 2, 1))
    least, most = np.array([[1.0, 1.0]]), np.array([[2.0**10, 2.0**2]])  # lower ends 0 and 8 bits, references 1 and 3
    curve = exposure_by_repetitions(np.array([[3.5, 0.5]]), others, least, most, np.full(2, 10.0), *seen(2))
    np.testing.assert_allclose(curve.values, [[(1 + 8) / 2]])


def test_the_result_reads_aloud_and_makes_a_table():
    own = np.array([[0.5, 2.5, np.nan]])
    found = exposure(own, np.tile(np.arange(1.0, 8.0), (1, 3, 1)), *seen(3))
    assert repr(found) == "PerCanary(3 canaries, 2 defined, median 2.21, largest ≥ 3, from 1 model)"
    rows = table(found, np.array(["a"])).to_pylist()
    assert [row["canary"] for row in rows] == [0, 1, 2]
    assert rows[0]["at_least"]
    assert "not finite" in rows[2]["reason"]
    assert "all undefined" in repr(exposure(own[:, 2:], np.ones((1, 1, 4)), *seen(1)))


def test_the_best_of_both_ways_is_taken_canary_by_canary():
    rng = np.random.default_rng(5)
    canaries, models = 40, 3
    own, others = rng.normal(10, 3, (models, canaries)), rng.normal(12, 3, (models, canaries, 30))
    least = np.where(rng.random(canaries) < 0.3, np.nan, np.floor(2.0 ** rng.uniform(0, 18, (models, canaries))))
    most = np.minimum(least * rng.choice([1.0, 1.5, 2**9], (models, canaries)), 10.0**6)
    space, repetitions = np.full(canaries, np.log2(1e6)), rng.integers(0, 4, canaries)
    document = np.arange(canaries)
    member = rng.integers(0, 2, (models, canaries)).astype(np.int8)
    seen = (repetitions, document, member)
    found = exposure_best(own, others, least, most, space, *seen)
    searched, sampled = exposure_search(least, most, space, *seen), exposure(own, others, *seen)
    for row in range(canaries):
        known = np.isfinite(searched.values[row]) and not searched.at_least[row]
        if known:
            assert found.values[row] == searched.values[row]
        elif np.isnan(sampled.values[row]):
            assert np.isnan(found.values[row])
        elif searched.low[row] > sampled.values[row]:
            assert found.values[row] == searched.low[row]
            assert found.at_least[row]
        else:
            assert found.values[row] == sampled.values[row]
        chance = searched.p_value[row] if np.isfinite(searched.p_value[row]) else sampled.p_value[row]
        assert np.array_equal(found.p_value[row], chance, equal_nan=True)
