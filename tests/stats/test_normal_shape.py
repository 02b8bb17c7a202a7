from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm, t

from byrote.stats.normal_shape import Scatter, scatter_of_counts


def scatter(values: np.ndarray) -> Scatter:
    """Of values `[model, example]` of one side."""
    moments = np.full(values.shape[1], len(values)), values.mean(0), values.var(0, ddof=1), (values > 0).sum(0)
    count, mean, variance, above = (of[None, None] for of in moments)
    return scatter_of_counts(count, mean, variance, above)


def two_modes(rng: np.random.Generator, models: int, modes: tuple[float, float], spread: float) -> np.ndarray:
    upper = rng.random((models, 300)) < rng.random(300)
    return np.where(upper, modes[1], modes[0]) + spread * rng.normal(size=(models, 300))


@pytest.mark.parametrize("models", [4, 8, 16])
@pytest.mark.parametrize(("modes", "spread"), [((-3.0, 3.0), 0.5), ((-4.0, 5.0), 1.7)])
def test_counts_of_two_modes_scatter_less(models: int, modes: tuple[float, float], spread: float) -> None:
    found = scatter(two_modes(np.random.default_rng(models), models, modes, spread))
    assert found.two_modes
    assert not found.one_mode
    assert found.share < 0.6


@pytest.mark.parametrize("models", [3, 8, 32])
def test_counts_of_normal_values_scatter_as_expected(models: int) -> None:
    rng = np.random.default_rng(models)
    mean = rng.normal(0.5, 1.5, 600)
    shares = [scatter(mean + rng.normal(size=(models, 600))) for _ in range(6)]
    assert all(one.one_mode and not one.two_modes for one in shares)
    error = np.mean([one.error for one in shares])
    assert abs(np.mean([one.share for one in shares]) - 1) < 3 * error / np.sqrt(6)


def test_long_tails_are_not_two_modes() -> None:
    rng = np.random.default_rng(0)
    assert scatter(rng.normal(0.5, 1.5, 600) + t.rvs(3, size=(16, 600), random_state=rng)).one_mode


def test_too_few_values_exclude_nothing() -> None:
    for values in (np.full((8, 5), 3.0), np.array([[1.0], [-1.0]]), norm.rvs(size=(8, 2), random_state=0) + 9):
        found = scatter(values)
        assert np.isnan(found.share)
        assert not found.one_mode
        assert not found.two_modes
