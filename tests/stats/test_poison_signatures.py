"""Signatures by hand, of planted poisons, and of features that have none."""

from __future__ import annotations

import numpy as np
import pytest

from byrote.stats.poison_signatures import cluster, spectral


def features(poisons: int, *, seed: int = 0) -> np.ndarray:
    """A hundred examples of 20 features, the first ones moved by four deviations in each."""
    found = np.random.default_rng(seed).normal(size=(100, 20))
    found[:poisons] += 4
    return found


def ranks(values: np.ndarray, poisons: int) -> float:
    """How often a poison ranks above another example."""
    return float((values[:poisons, None] > values[None, poisons:]).mean())


@pytest.mark.parametrize("signature", [spectral, cluster])
def test_poisons_that_lie_apart_rank_first(signature) -> None:
    assert ranks(signature(features(10)), 10) == 1.0


@pytest.mark.parametrize("signature", [spectral, cluster])
def test_without_poisons_nobody_ranks_first(signature) -> None:
    """The mean of 40 areas, each with a deviation of .097 at most: 5 errors of .015."""
    found = [ranks(signature(np.roll(features(0, seed=seed), seed, 0)), 10) for seed in range(40)]
    assert abs(np.mean(found) - 0.5) < 5 * 0.1 / np.sqrt(40)


def test_spectral_against_the_eigenvector_of_the_covariance() -> None:
    given = features(7)
    centred = given - given.mean(0)
    direction = np.linalg.eigh(centred.T @ centred)[1][:, -1]
    squared = (centred @ direction) ** 2
    np.testing.assert_allclose(spectral(given), squared / squared.mean())


def test_clusters_by_hand() -> None:
    """Eight at 0 and two at 10: middles are there, distances 0 and 10, and a fifth is in the smaller cluster."""
    found = cluster(np.array([[0.0]] * 8 + [[10.0]] * 2))
    np.testing.assert_allclose(found, [-0.6] * 8 + [0.6] * 2)


@pytest.mark.parametrize("signature", [spectral, cluster])
def test_few_or_equal_features_have_none(signature) -> None:
    assert np.isnan(signature(features(0)[:9])).all()
    assert np.isnan(signature(np.full((30, 4), 3.0))).all()
    assert np.isnan(signature(np.full((30, 4), np.inf))).all()
