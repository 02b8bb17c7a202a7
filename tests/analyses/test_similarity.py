"""The table of likeness, and the error of figures of which each rests on two models."""

import numpy as np
import pytest

from byrote.analyses.similarity import between


def made_up(rng: np.random.Generator, models: int, per: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Each model's mean likeness with those of other units, where two models are as alike as both are usual."""
    usual = rng.normal(0, 0.1, models)
    unit = np.arange(models) // per
    likeness = 0.5 + usual[:, None] + usual + rng.normal(0, 0.02, (models, models))
    likeness = (likeness + likeness.T) / 2
    apart = unit[:, None] != unit
    return (likeness * apart).sum(1) / apart.sum(1), unit


@pytest.mark.parametrize("per", [1, 2])
def test_leaving_out_a_unit_takes_all_of_its_likenesses_away(per):
    rng = np.random.default_rng(0)
    models = 6 * per
    unit = np.arange(models) // per
    likeness = rng.random((models, models))
    likeness = (likeness + likeness.T) / 2
    apart = unit[:, None] != unit
    pair = unit if per == 2 else np.full(models, -1)
    found = between((likeness * apart).sum(1) / apart.sum(1), pair)
    assert found.value == pytest.approx(likeness[apart].mean())
    for left in range(6):
        rest = apart & (unit[:, None] != left) & (unit != left)
        assert found.replicates[left] == pytest.approx(likeness[rest].mean())


def test_the_interval_covers_although_likenesses_share_models():
    """A standard error over single likenesses would be far too small."""
    rng = np.random.default_rng(2)
    missed = 0
    for _ in range(200):
        likeness, _ = made_up(rng, 12)
        found = between(likeness, np.full(12, -1))
        missed += not found.low <= 0.5 <= found.high
    assert missed <= 20


def test_three_models_have_no_error():
    assert np.isnan(between(np.array([0.5, 0.6, 0.7]), np.full(3, -1)).stderr)
