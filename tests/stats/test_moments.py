import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from byrote.stats.moments import RunningMoments, means_without


@given(st.integers(1, 12), st.integers(1, 6), st.integers(0, 2**32 - 1), st.sampled_from([0.0, 1e8]))
def test_agrees_with_two_passes(rows, examples, seed, offset):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(rows, examples)) + offset
    chosen = rng.random((rows, examples)) < 0.6
    running = RunningMoments(examples)
    for row, where in zip(values, chosen, strict=True):
        running.add(row, where)
    moments = running.result()
    for i in range(examples):
        kept = values[chosen[:, i], i]
        assert moments.count[i] == len(kept)
        if len(kept):
            np.testing.assert_allclose(moments.mean[i], kept.mean(), rtol=1e-12, atol=1e-12)
            np.testing.assert_allclose(moments.squares[i], ((kept - kept.mean()) ** 2).sum(), atol=1e-6)
        else:
            assert np.isnan(moments.mean[i])
        if len(kept) > 1:
            variance = kept.var(ddof=1) / len(kept)
            np.testing.assert_allclose(moments.variance_of_mean[i], variance, atol=1e-6)
        else:
            assert np.isnan(moments.variance_of_mean[i])


@given(st.integers(1, 12), st.integers(0, 2**32 - 1), st.sampled_from([0.0, 1e4]))
def test_cubes_agree_with_two_passes(rows, seed, offset):
    rng = np.random.default_rng(seed)
    values, chosen = rng.gamma(2.0, size=(rows, 4)) + offset, rng.random((rows, 4)) < 0.6
    running = RunningMoments(4, cubes=True)
    for row, where in zip(values, chosen, strict=True):
        running.add(row, where)
    for i, cubes in enumerate(running.result().cubes):
        kept = values[chosen[:, i], i]
        expected = ((kept - kept.mean()) ** 3).sum() if len(kept) else 0.0
        np.testing.assert_allclose(cubes, expected, rtol=1e-6, atol=1e-6)


def test_equal_values_are_seen_as_equal():
    running = RunningMoments(2)
    for second in (0.1, 0.1, 0.1000001):
        running.add(np.array([0.1, second]), np.array([True, True]))
    np.testing.assert_array_equal(running.result().identical, [True, False])


def test_values_that_do_not_count_may_be_anything():
    running = RunningMoments(2)
    running.add(np.array([np.nan, 1.0]), np.array([False, True]))
    running.add(np.array([2.0, np.inf]), np.array([True, False]))
    np.testing.assert_array_equal(running.result().mean, [2.0, 1.0])


def test_means_of_equally_many_right_answers_are_equal_to_the_last_bit() -> None:
    rng = np.random.default_rng(0)
    right = np.array([rng.permutation(np.arange(49) < 20) for _ in range(200)], np.float64).T
    running = RunningMoments(200)
    for row in right:
        running.add(row, np.ones(200, bool))
    assert set(running.result().mean) == {20 / 49}


def test_means_without_a_part_are_those_of_the_other_rows() -> None:
    rng = np.random.default_rng(1)
    rows, chosen, part = rng.normal(size=(9, 3000)), rng.random((9, 3000)) < 0.6, np.repeat([0, 1, 2, 3], [3, 2, 3, 1])
    rows[4, 7], chosen[:, 8] = np.inf, False
    found = means_without(rows, chosen, part)
    for own in range(4):
        kept = np.where(chosen & (part != own)[:, None], rows, np.nan)
        expected = [np.mean(column[~np.isnan(column)]) if (~np.isnan(column)).any() else np.nan for column in kept.T]
        np.testing.assert_allclose(found[own], expected, rtol=1e-12)
    assert np.isfinite(found[1, 7])
    assert np.isnan(found[:, 8]).all()
