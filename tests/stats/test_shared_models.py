"""The table of likeness, and the error of figures of which each rests on two models."""

import numpy as np
import pytest

from byrote.stats.shared_models import between, between_all
from levels import DRAWS, as_promised, missed


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


@pytest.mark.parametrize("per", [1, 2])
def test_the_error_of_all_likenesses_against_a_slow_least_squares(per):
    rng, count = np.random.default_rng(3), 7
    unit = np.repeat(np.arange(count), per)
    likeness = rng.random((len(unit), len(unit))) + 3 * rng.random(len(unit))
    likeness = likeness + likeness.T
    pair = unit if per == 2 else np.full(count, -1)
    found, whole = between_all(likeness, pair), between(_of_each(likeness, unit), pair)
    cells = [(p, q) for p in range(count) for q in range(p)]
    seen = np.array([likeness[np.ix_(unit == p, unit == q)].mean() for p, q in cells])
    design = np.array([[1.0, *(float(one in cell) for one in range(count))] for cell in cells])
    left = seen - design @ np.linalg.lstsq(design, seen, rcond=None)[0]
    alone = left @ left / (len(cells) - count)
    assert found.value == whole.value
    assert found.stderr**2 == pytest.approx(whole.stderr**2 - 2 * alone / ((count - 1) * (count - 2)))


def _of_each(likeness: np.ndarray, unit: np.ndarray) -> np.ndarray:
    apart = unit[:, None] != unit
    return (likeness * apart).sum(1) / apart.sum(1)


@pytest.mark.slow
@pytest.mark.parametrize("models", [12, 32])
@pytest.mark.parametrize("usual", [0.0, 0.01, 0.1])
def test_intervals_hold_where_models_differ_and_where_only_pairs_of_them_do(models, usual):
    rng, found = np.random.default_rng([4, models]), []
    for _ in range(DRAWS):
        own, both = rng.normal(0, usual, models), np.triu(rng.normal(0, 0.05, (models, models)), 1)
        found.append(between_all(0.2 + own[:, None] + own + both + both.T, np.full(models, -1)))
    misses = missed(found, 0.2)
    assert as_promised(misses), misses
