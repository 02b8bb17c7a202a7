from __future__ import annotations

import mpmath
import numpy as np
import pytest
from scipy.stats import skewnorm

from byrote.stats.skew_normal import CRITICAL, fit, log_cdf, misfit


@pytest.mark.parametrize(
    "shape", [-8.0, -0.3, 3.0, *(pytest.param(shape, marks=pytest.mark.slow) for shape in (-2.0, 0.0, 0.5))]
)
@pytest.mark.parametrize(
    "z", [-14.0, -3.2, -0.1, 2.0, *(pytest.param(z, marks=pytest.mark.slow) for z in (-6.0, -1.0, 0.3))]
)
def test_log_cdf_equals_the_integral_in_many_digits(shape, z):
    with mpmath.workdps(20):
        pieces = [z - step for step in (20, 5, 2, 1, 0.5, 0.25, 0.1, 0.05, 0.02, 0.01, 0)]
        density = lambda t: 2 * mpmath.npdf(t) * mpmath.ncdf(shape * t)  # noqa: E731
        expected = float(mpmath.log(mpmath.quad(density, pieces)))
    np.testing.assert_allclose(log_cdf(np.array([z]), np.array([shape])), [expected], rtol=1e-9)


@pytest.mark.parametrize("shape", [-4.0, -1.0, 0.0, 1.0, 4.0])
def test_log_cdf_is_monotone_and_smooth_beyond_140_bits(shape):
    z = np.linspace(-25, 4, 3000)
    bits = -log_cdf(z, np.full(z.shape, shape)) / np.log(2)
    assert np.isfinite(bits).all()
    assert bits[0] > 140
    assert (np.diff(bits) < 1e-12).all()
    assert np.abs(np.diff(bits, 2)).max() < 0.01  # no step where one way of computing hands over to the other


def test_ends_of_the_line():
    np.testing.assert_array_equal(log_cdf(np.array([-np.inf, np.inf]), np.zeros(2)), [-np.inf, 0.0])
    assert np.isnan(log_cdf(np.zeros(1), np.array([np.nan]))).all()


@pytest.mark.parametrize("shape", [-4, 0, 1, 5])
def test_fit_is_as_likely_as_that_of_scipy(shape):
    x = skewnorm.rvs(shape, loc=30, scale=4, size=(3, 300), random_state=np.random.default_rng(0))
    found = fit(x)
    for row in range(3):
        ours = skewnorm.logpdf(x[row], found.shape[row], found.location[row], found.scale[row]).sum()
        assert ours > skewnorm.logpdf(x[row], *skewnorm.fit(x[row])).sum() - 0.05


def test_fit_finds_the_distribution():
    x = skewnorm.rvs(3, loc=30, scale=4, size=(1, 20_000), random_state=np.random.default_rng(0))
    found = fit(x)
    np.testing.assert_allclose([found.shape[0], found.location[0], found.scale[0]], [3, 30, 4], rtol=0.08)


def test_what_is_not_finite_is_left_out_and_too_little_is_undefined():
    x = np.random.default_rng(0).normal(size=(4, 40))
    padded = np.concatenate([x, np.full((4, 9), np.nan)], axis=1)
    np.testing.assert_allclose(fit(padded).location, fit(x).location)
    x[0, 15:], x[1] = np.nan, 7.0
    found = fit(x)
    assert np.isnan(found.shape[:2]).all()
    assert np.isfinite(found.shape[2:]).all()
    assert np.isnan(found.log_cdf(np.zeros(4))[:2]).all()
    assert np.isnan(misfit(x, found)[:2]).all()


@pytest.mark.slow
@pytest.mark.parametrize("count", [64, pytest.param(256, marks=pytest.mark.slow)])
@pytest.mark.parametrize("shape", [0.0, 1.5])
def test_the_critical_misfit_rejects_one_in_twenty(count, shape):
    x = skewnorm.rvs(shape, size=(300, count), random_state=np.random.default_rng(2))
    assert 0.012 < (misfit(x, fit(x)) > CRITICAL).mean() < 0.1  # .05 expected, error .013


def test_two_humps_do_not_fit():
    rng = np.random.default_rng(0)
    x = rng.normal(np.where(rng.random((20, 200)) < 0.5, 0, 6), 1)
    assert (misfit(x, fit(x)) > CRITICAL).all()
