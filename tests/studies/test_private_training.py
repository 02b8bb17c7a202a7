from __future__ import annotations

import importlib.util
from dataclasses import replace

import numpy as np
import pytest

import byrote
from byrote.designs.full_data import full_data
from byrote.designs.half_subset_pairs import half_subset_pairs
from byrote.recipes.guarantee import epsilon_of
from byrote.studies.private_training import at_rate, by_pair, privately
from studies.tiny import RECIPE


def test_membership_is_told_with_the_mate_beside_it() -> None:
    member = np.array([[1, 1, 0, 0], [0, 0, 1, 1], [1, 0, 1, 0], [0, 1, 0, 1]], bool)
    log_odds = np.array([[9.0, 1.0, 8.0, 0.0], [8.0, 0.0, 9.0, 1.0], [1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0]])
    assert by_pair(log_odds, member) == pytest.approx([1.0, 0.5])


@pytest.mark.skipif(importlib.util.find_spec("opacus") is None, reason="the accountant is opacus', an extra")
def test_the_private_form_is_that_of_the_epsilon_for_the_design() -> None:
    halves = half_subset_pairs(180, 4, rng=np.random.default_rng(0))
    found = privately(RECIPE, halves, 4.0, faster=2.0)
    assert isinstance(found, byrote.Private)
    assert (found.members, found.rate) == (90, 30 / 90)
    assert found.recipe == replace(RECIPE, optimizer=byrote.SGD(lr=0.2, momentum=0.9))
    assert 3.96 <= epsilon_of(found.noise, 1 / 3, 8 * 3, 1 / 1800) <= 4.0
    assert privately(RECIPE, full_data(180, 2), 4.0, arm="clip").members == 180


def test_what_is_no_recipe_stays() -> None:
    pair = byrote.CoTeaching(recipe=RECIPE)
    assert at_rate(pair, 2.0) is pair
