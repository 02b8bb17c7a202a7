"""A mean over models and examples, against the slow sum and where its error is known."""

from __future__ import annotations

import numpy as np
import pytest

from byrote.stats.crossed_mean import crossed_mean

SHARE = (0.0, 1.0)


def test_it_is_the_mean_over_models_of_their_means() -> None:
    rng = np.random.default_rng(0)
    values = rng.random((6, 20))
    values[rng.random(values.shape) < 0.3] = np.nan
    pair = np.repeat(np.arange(3), 2)
    found = crossed_mean(values, pair, np.arange(20), bounds=SHARE)
    each = [np.mean([one for one in row if one == one]) for row in values]
    assert found.value == pytest.approx(np.mean(each))
    assert found.replicates == pytest.approx(
        [np.mean([e for e, p in zip(each, pair, strict=True) if p != g]) for g in range(3)]
    )
    assert (found.models, found.examples) == (6, 20)


def test_examples_of_a_cluster_move_it_together() -> None:
    values = np.tile([1.0, 1.0, 0.0, 0.0, 1.0, 0.0], (6, 1)) * np.linspace(0.7, 0.9, 6)[:, None]
    alone = crossed_mean(values, np.full(6, -1), np.arange(6), bounds=SHARE)
    whole = crossed_mean(values, np.full(6, -1), np.array([0, 0, 1, 1, 2, 3]), bounds=SHARE)
    assert whole.stderr > 1.1 * alone.stderr
    assert whole.value == alone.value


def test_a_model_without_a_value_leaves_none() -> None:
    values = np.array([[1.0, 0.0], [np.nan, np.nan], [1.0, 1.0]])
    assert np.isnan(crossed_mean(values, np.full(3, -1), np.arange(2), bounds=SHARE).value)
    assert np.isnan(crossed_mean(np.empty((0, 2)), np.empty(0, np.int64), np.arange(2), bounds=SHARE).value)


def test_the_interval_misses_the_truth_at_its_level() -> None:
    """Models and examples both scatter around .5; of 200 intervals of 95 % 4 to 16 miss it."""
    rng = np.random.default_rng(3)
    missed = 0
    for _ in range(200):
        chance = 0.5 + rng.normal(0, 0.1, (12, 1)) + rng.normal(0, 0.15, 50)
        values = (rng.random((12, 50)) < chance).astype(np.float64)
        found = crossed_mean(values, np.arange(12), np.arange(50), bounds=SHARE)
        missed += not found.low <= 0.5 <= found.high
    assert 4 <= missed <= 16
