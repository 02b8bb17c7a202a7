"""Maps of groups: matched by confidence, and what chance gives."""

import numpy as np
import pytest

from byrote.measures._localization import FEWEST, localized, over_units

ALONE = np.full(6, -1)


def chance_alone(seed: int, *, shared: float, models: int = 6, examples: int = 300, cells: int = 12) -> bool:
    """Whether a map stands out where being near the boundary is all there is; some examples fall in every model."""
    rng = np.random.default_rng(seed)
    group = rng.random(examples) < 0.3
    sure = np.where(group, 1.0, 2.0) * rng.gamma(2.0, 1.0, examples) * np.exp(0.3 * rng.normal(size=(models, examples)))
    falls = 1 / (1 + np.exp(sure - 1 - shared * rng.normal(size=examples)))[:, None]
    damage = 1 / (1 + np.exp(sure - 1))[:, None]
    size = (models, cells, examples)
    lost = (rng.random(size) < falls).astype(float) - (rng.random(size) < damage)
    groups = np.tile(group, (models, 1))
    found = localized(lost, np.ones((models, examples), np.int32), sure, groups, ~groups, ALONE)
    return bool(np.abs(found.each.mean(0)).max() > found.band)


@pytest.mark.slow
@pytest.mark.parametrize("shared", [0.0, 2.0])
def test_chance_stands_out_in_about_one_map_of_twenty(shared):
    assert sum(chance_alone(seed, shared=shared) for seed in range(50)) <= 7  # binomial, P(more) = .002


@pytest.mark.slow
@pytest.mark.parametrize("shared", [0.0, 2.0])
def test_chance_stands_out_in_4_to_16_of_200_maps(shared):
    assert 4 <= sum(chance_alone(seed, shared=shared) for seed in range(200)) <= 16


def test_others_beyond_the_groups_confidence_are_left_out():
    """Others that are surer than all of the group lose nothing, and say nothing about the group."""
    sure = np.concatenate([np.linspace(1, 2, 40), np.linspace(1, 2, 40), np.linspace(5, 6, 400)])[None]
    group = (np.arange(480) < 40)[None]
    lost = (sure < 3).astype(float)[:, None]
    found = localized(lost, np.ones(sure.shape, np.int32), sure, group, ~group, ALONE[:1])
    assert found.each.tolist() == [[0.0]]
    assert (found.matched, found.asked) == (40, 40)


def test_a_fifth_without_others_is_left_out_and_counted():
    sure = np.concatenate([np.linspace(0, 1, 50), np.linspace(0, 0.5, 50), [1.0]])[None]
    group = (np.arange(101) < 50)[None]
    others = ~group & (np.arange(101) < 100)
    lost = np.where(sure > 0.5, 1.0, 0.25)[:, None] * group[:, None]
    found = localized(lost, np.ones(sure.shape, np.int32), sure, group, others, ALONE[:1])
    assert found.matched == 30
    assert found.asked == 50
    # in the third fifth, 0.4 to 0.6, half of the group loses all
    np.testing.assert_allclose(found.each, [[(0.25 + 0.25 + (0.25 * 5 + 5) / 10) / 3]])


def test_examples_count_and_not_predictions():
    """One document of many tokens is one document: fewer than 20 of them give no map."""
    right = np.full((1, 400), 1, np.int32)
    right[0, : FEWEST - 1] = 1000
    group = (np.arange(400) < FEWEST - 1)[None]
    found = localized(np.zeros((1, 2, 400)), right, np.ones((1, 400)), group, ~group, ALONE[:1])
    assert np.isnan(found.each).all()
    assert found.missing == 1
    assert np.isnan(found.band)


def test_membership_that_differs_between_models_is_drawn_in_each():
    rng = np.random.default_rng(0)
    member = rng.random((6, 300)) < 0.5
    lost = (rng.random((6, 4, 300)) < np.where(member, 0.6, 0.2)[:, None]).astype(float)
    found = localized(lost, np.ones((6, 300), np.int32), rng.random((6, 300)), member, ~member, ALONE)
    assert found.each.mean() > 0.3 > found.band > 0


def test_the_mean_is_over_pairs():
    value, stderr, reach = over_units(np.array([[1.0], [3.0], [6.0], [np.nan]]), np.array([0, 0, 1, 2]))
    assert (value.tolist(), stderr.tolist()) == ([4.0], [2.0])
    np.testing.assert_allclose(reach, [2.0 * 12.706204736432095])
