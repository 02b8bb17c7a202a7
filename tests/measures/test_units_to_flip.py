import numpy as np

from byrote.measures.units_to_flip import units_to_flip, units_to_flip_beyond_margin


def test_the_mean_over_members_that_predict_it():
    silenced = np.array([[[1, 2, 0], [0, 3, 0]], [[2, 9, 0], [1, 0, 0]], [[9, 60, 4], [9, 0, 0]]], np.int32)
    right = np.array([[1, 1, 0], [1, 1, 0], [1, 1, 1]], bool)
    flipped = np.array([[1, 1, 0], [1, 1, 0], [1, 0, 1]], bool)
    member = np.array([[1, 1, 1], [1, 0, 1], [0, 1, 0]], np.int8)
    found = units_to_flip(silenced, flipped, right, member)
    np.testing.assert_allclose(found.values, [-2.0, -32.5, np.nan])
    assert found.counts["censored"].tolist() == [0, 1, 0]


def test_nothing_is_left_beyond_a_margin_that_says_all():
    margin = np.random.default_rng(0).permutation(40)[None].astype(float)
    silenced = (2 * margin[:, None] + 1).astype(np.int32)
    ones = np.ones((1, 40), bool)
    found = units_to_flip_beyond_margin(silenced, ones, margin, ones.astype(np.int8))
    np.testing.assert_allclose(found.values, 0, atol=1e-12)
