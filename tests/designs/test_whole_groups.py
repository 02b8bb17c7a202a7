import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from byrote.designs.coins import coins
from byrote.designs.half_subset_pairs import half_subset_pairs
from byrote.designs.iid_subsets import iid_subsets
from byrote.designs.ratio_grid import ratio_grid
from byrote.designs.two_splits import two_splits
from byrote.designs.whole_groups import units
from byrote.errors import BadInput

RNG = np.random.default_rng(0)


def whole(design, groups):
    """No phase of any model shows a part of a group."""
    return all(
        len(set(phase.count[model, groups == name])) == 1
        for phase in design.phases
        for model in range(design.models)
        for name in np.unique(groups)
    )


@given(st.integers(0, 999), st.integers(6, 15))
def test_no_design_splits_a_group(seed, count):
    rng = np.random.default_rng(seed)
    groups = rng.permutation(np.append(np.arange(count), rng.integers(0, count, 3))).astype(str)
    examples = len(groups)
    for design in (
        half_subset_pairs(examples, 4, rng=rng, groups=groups),
        iid_subsets(examples, 4, rng=rng, groups=groups),
        ratio_grid(examples, 4, ratios=(0.3, 0.7), rng=rng, groups=groups),
        two_splits(examples, 4, rng=rng, groups=groups),
        coins(examples, 5, canaries=np.flatnonzero(np.isin(groups, ["0", "3", "4"])), rng=rng, groups=groups),
    ):
        assert whole(design, groups)


def test_every_group_is_in_alike():
    groups = np.repeat(np.arange(10), np.arange(1, 11))
    member = iid_subsets(len(groups), 2000, ratio=0.3, rng=RNG, groups=groups).member
    first = np.unique(groups, return_index=True)[1]
    assert (member[:, first].sum(1) == 3).all()
    np.testing.assert_allclose(member[:, first].mean(0), 0.3, atol=0.05)
    tossed = coins(len(groups), 2000, canaries=np.arange(len(groups)), rng=RNG, groups=groups).member[:, first]
    np.testing.assert_allclose(tossed.mean(0), 0.5, atol=0.05)


def test_groups_of_one_are_examples():
    rngs = np.random.default_rng(5), np.random.default_rng(5)
    one, other = (iid_subsets(12, 4, rng=rng, groups=g) for rng, g in zip(rngs, (None, np.arange(12)), strict=True))
    np.testing.assert_array_equal(one.member, other.member)


def test_what_is_refused():
    groups = np.repeat(["a", "b", "c", "d"], 3)
    with pytest.raises(BadInput, match="The group 'a' has canaries and other examples"):
        coins(12, 1, canaries=np.array([0, 1]), rng=RNG, groups=groups)
    with pytest.raises(BadInput, match="at least one of 4 groups in and one out"):
        iid_subsets(12, 4, ratio=0.1, rng=RNG, groups=groups)
    with pytest.raises(BadInput, match=r"'groups' argument of ratio_grid must have 12 entries. Got 11"):
        ratio_grid(12, 4, rng=RNG, groups=groups[1:])
    assert units(12, groups, design="x").sizes.tolist() == [3] * 4
