import numpy as np

from byrote.designs.design import observed, one_phase
from byrote.designs.full_data import full_data
from byrote.designs.half_subset_pairs import half_subset_pairs
from byrote.designs.iid_subsets import iid_subsets
from byrote.designs.ratio_grid import ratio_grid
from byrote.designs.strata import large_group_notes, strata, tied_groups
from byrote.designs.whole_groups import units


def grouped(share: float, examples: int = 400) -> np.ndarray:
    """One group of that share of the examples; everybody else is a group of one."""
    large = round(share * examples)
    return np.array(["large"] * large + [f"{row}" for row in range(examples - large)])


def halves(groups: np.ndarray, models: int = 64):
    return half_subset_pairs(len(groups), models, rng=np.random.default_rng(0), groups=groups)


def test_a_large_group_splits_the_others_and_not_itself():
    groups = grouped(0.4)
    design = halves(groups)
    found = strata(design.level, design.member, groups)
    mine = groups == "large"
    assert len(np.unique(found[:, mine])) == 1
    others = found[:, ~mine]
    assert (others == others[:, :1]).all()
    has = design.member[:, 0] == 1
    assert len(np.unique(others[has])) == len(np.unique(others[~has])) == 1
    assert others[has][0, 0] != others[~has][0, 0]


def test_small_groups_and_single_examples_are_one_stratum():
    assert not strata(*_of(halves(grouped(0.04))), grouped(0.04)).any()
    design = half_subset_pairs(50, 8, rng=np.random.default_rng(0))
    assert not strata(design.level, design.member).any()


def test_groups_of_one_size_change_places_one_for_one():
    groups = np.repeat([f"site {number}" for number in range(10)], 30)
    design = halves(groups)
    assert not strata(design.level, design.member, groups).any()


def test_subsets_drawn_independently_tie_nobody_to_a_large_group():
    groups = grouped(0.4)
    design = iid_subsets(len(groups), 64, rng=np.random.default_rng(0), groups=groups)
    assert not len(tied_groups(design.member, units(len(groups), groups, design="test")))
    assert not strata(design.level, design.member, groups).any()


def test_two_large_groups():
    """Examples of the smaller one are compared between models that agree in the larger; single ones in both."""
    groups = np.array(["a"] * 120 + ["b"] * 40 + [f"{row}" for row in range(240)])
    design = halves(groups)
    found = strata(design.level, design.member, groups)
    member = design.member
    for model, other in zip(range(20), range(20, 40), strict=True):
        same = [member[model, 0] == member[other, 0], member[model, 120] == member[other, 120]]
        assert (found[model, 399] == found[other, 399]) == all(same)
        assert (found[model, 120] == found[other, 120]) == same[0]
        assert found[model, 0] == found[other, 0]


def test_ratios_of_a_grid_are_levels():
    design = ratio_grid(50, 4, ratios=(0.1, 0.5, 0.9), rng=np.random.default_rng(0))
    joined = design.joined(full_data(50, 1))
    np.testing.assert_array_equal(joined.level, [0.1] * 4 + [0.5] * 4 + [0.9] * 4 + [1.0])
    np.testing.assert_array_equal(strata(design.level, design.member)[:, 7], np.repeat([0, 1, 2], 4))


def test_a_grid_in_groups_of_unequal_size_has_the_ratios_that_were_meant():
    groups = np.repeat(np.arange(12), np.arange(1, 13))
    design = ratio_grid(len(groups), 4, ratios=(0.25, 0.75), rng=np.random.default_rng(0), groups=groups)
    np.testing.assert_array_equal(design.level, np.repeat([0.25, 0.75], 4))


def test_halves_that_differ_by_accident_are_of_one_level():
    groups = np.repeat(np.arange(5), 8)
    design = halves(groups, models=16)
    assert len(np.unique(design.member.sum(1))) > 1
    assert len(np.unique(design.level)) == 1


def test_sizes_of_models_that_somebody_else_trained():
    rng = np.random.default_rng(0)
    coins = (rng.random((64, 200)) < 0.5).astype(np.int8)
    assert len(np.unique(observed(coins, np.full(64, -1)).level)) == 1
    grid = np.concatenate([(rng.random((8, 4000)) < ratio).astype(np.int8) for ratio in (0.2, 0.5, 0.8)])
    levels = observed(grid, np.full(24, -1)).level
    assert len(np.unique(levels)) == 3
    np.testing.assert_allclose(levels, np.repeat([0.2, 0.5, 0.8], 8), atol=0.02)
    every = np.linspace(0.1, 0.9, 45)
    spread = observed((rng.random((45, 300)) < every[:, None]).astype(np.int8), np.full(45, -1)).level
    assert len(np.unique(spread)) > 5
    assert np.abs(spread - every).max() < 0.15
    few = (rng.random((6, 24)) < 0.5).astype(np.int8)
    assert len(np.unique(few.sum(1))) > 2
    assert len(np.unique(observed(few, np.full(6, -1)).level)) == 1
    odd = half_subset_pairs(23, 6, rng=rng, groups=np.arange(23)).member
    assert len(np.unique(odd.sum(1))) == 2
    assert len(np.unique(observed(odd, np.arange(6) // 2).level)) == 1
    exact = np.zeros((8, 40), np.uint8)
    exact[:4, :12], exact[4:, :20] = 1, 1
    np.testing.assert_array_equal(one_phase("of my own", exact).level, np.repeat([0.3, 0.5], 4))


def test_a_note_says_what_is_compared():
    groups = grouped(0.4)
    (note,) = large_group_notes(halves(groups).member, groups)
    assert note.startswith("1 group holds more than 5 % of the examples (the largest 40%)")
    assert large_group_notes(halves(groups).member, None) == ()
    sites = np.repeat(np.arange(10), 30)
    assert large_group_notes(halves(sites).member, sites) == ()
    subsets = iid_subsets(len(groups), 64, rng=np.random.default_rng(0), groups=groups)
    assert large_group_notes(subsets.member, groups) == ()


def _of(design):
    return design.level, design.member
