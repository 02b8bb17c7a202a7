import numpy as np
from scipy.stats import rankdata

from byrote.measures.flip_radius import flip_radius, flip_radius_beyond_margin


def test_the_mean_over_members_that_predict_it():
    radius = np.array([[0.2, 0.4, np.nan, 1.2], [0.4, 0.8, np.nan, 1.2], [0.9, 0.6, 0.3, 1.2]], np.float32)
    member = np.array([[1, 1, 1, 1], [1, 0, 1, 1], [0, 1, 0, 1]], np.int8)
    found = flip_radius(radius, radius >= 1.2, member)
    np.testing.assert_allclose(found.values, [-0.3, -0.5, np.nan, -1.2], rtol=1e-6)
    assert found.counts["censored"].tolist() == [0, 0, 0, 3]
    np.testing.assert_allclose(found.stderr[0], 0.1, rtol=1e-5)
    assert found.reason(2)


def test_beyond_the_margin_nothing_is_left_where_the_radius_follows_it():
    margin = np.random.default_rng(0).gamma(2.0, 1.0, (3, 50))
    found = flip_radius_beyond_margin(np.sqrt(margin), margin, np.ones((3, 50), np.int8))
    np.testing.assert_allclose(found.values, 0, atol=1e-12)


def test_beyond_the_margin_against_a_least_squares_fit():
    rng = np.random.default_rng(1)
    radius, margin = rng.random((1, 40)), rng.random((1, 40))
    radius[0, 5] = np.nan
    member = np.ones((1, 40), np.int8)
    member[0, 7] = 0
    kept = np.flatnonzero(np.isfinite(radius[0]) & (member[0] == 1))
    score, known = (rankdata(-one[0, kept]) / len(kept) for one in (radius, margin))
    design = np.stack([np.ones(len(kept)), known], 1)
    expected = score - design @ np.linalg.lstsq(design, score, rcond=None)[0]
    found = flip_radius_beyond_margin(radius, margin, member)
    np.testing.assert_allclose(found.values[kept], expected, atol=1e-12)
    assert np.isnan(found.values[[5, 7]]).all()
