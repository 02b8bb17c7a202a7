import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from byrote.designs.half_subset_pairs import half_subset_pairs
from byrote.errors import BadInput


@given(st.integers(2, 30), st.integers(2, 12), st.integers(0, 999))
def test_mates_are_complementary(examples, pairs, seed):
    design = half_subset_pairs(examples, 2 * pairs, rng=np.random.default_rng(seed))
    member = design.member
    first, second = member[0::2], member[1::2]
    assert ((first + second) <= 1).all()
    np.testing.assert_array_equal((first + second).sum(1), 2 * (examples // 2))
    np.testing.assert_array_equal(member.sum(1), examples // 2)
    np.testing.assert_array_equal(design.pair, np.repeat(np.arange(pairs), 2))
    np.testing.assert_array_equal(design.phases[0].count, member)
    np.testing.assert_array_equal(design.models_of("reference"), np.arange(2 * pairs))


@given(st.integers(1, 9), st.integers(2, 40), st.integers(0, 999))
def test_at_odd_numbers_the_examples_take_turns_at_sitting_out(half, pairs, seed):
    examples = 2 * half + 1
    member = half_subset_pairs(examples, 2 * pairs, rng=np.random.default_rng(seed)).member
    idle = (member[0::2] + member[1::2]) == 0
    np.testing.assert_array_equal(idle.sum(1), 1)
    turns = idle.sum(0)
    assert turns.max() - turns.min() <= 1


def test_every_example_is_in_as_often_as_out():
    member = half_subset_pairs(10, 20, rng=np.random.default_rng(0)).member
    np.testing.assert_array_equal(member.sum(0), 10)


def test_halves_are_random_and_fixed_by_the_seed():
    """Two examples share a half with probability (n/2 - 1) / (n - 1) = 4/9 at n = 10; 4 sd at 2,000 pairs = .044."""
    member = half_subset_pairs(10, 4000, rng=np.random.default_rng(1)).member
    together = (member[0::2, :1] == member[0::2]).mean(0)[1:]
    np.testing.assert_allclose(together, 4 / 9, atol=0.045)
    again = half_subset_pairs(10, 4000, rng=np.random.default_rng(1)).member
    np.testing.assert_array_equal(member, again)
    assert (member != half_subset_pairs(10, 4000, rng=np.random.default_rng(2)).member).any()


def test_too_few_models():
    with pytest.raises(BadInput, match=r"'models' argument of half_subset_pairs must be at least 4.*Got 2\."):
        half_subset_pairs(10, 2, rng=np.random.default_rng(0))


def test_odd_number_of_models():
    with pytest.raises(BadInput, match=r"even number of models\. Got 5\. Hint: --models 6"):
        half_subset_pairs(10, 5, rng=np.random.default_rng(0))


def test_too_few_examples():
    with pytest.raises(BadInput, match=r"'examples' argument of half_subset_pairs must be at least 2\. Got 1\."):
        half_subset_pairs(1, 4, rng=np.random.default_rng(0))


@given(st.lists(st.integers(1, 6), min_size=4, max_size=25), st.integers(2, 6), st.integers(0, 999))
def test_whole_groups_are_in_or_out(sizes, pairs, seed):
    groups = np.repeat(np.arange(len(sizes)).astype(str), sizes)
    np.random.default_rng(seed).shuffle(groups)
    if 2 * max(sizes) > len(groups):
        return
    design = half_subset_pairs(len(groups), 2 * pairs, rng=np.random.default_rng(seed), groups=groups)
    member = design.member
    for name in np.unique(groups):
        assert (member[:, groups == name] == member[:, groups == name][:, :1]).all()
    np.testing.assert_array_equal(member[0::2] + member[1::2], 1)
    assert np.abs(member.sum(1) - len(groups) / 2).max() <= max(sizes) / 2
    assert design.parameters["groups"] == len(sizes)


def test_halves_of_groups_are_even_where_sizes_allow_it():
    sizes = np.random.default_rng(0).integers(1, 9, 60)
    groups = np.repeat(np.arange(60).astype(str), sizes)
    member = half_subset_pairs(len(groups), 40, rng=np.random.default_rng(1), groups=groups).member
    assert set(member.sum(1)) <= {len(groups) // 2, -(-len(groups) // 2)}


def test_every_group_is_in_with_the_same_probability():
    """The sum of 2,000 fair coins has a standard deviation of .011 a share; 4.5 of them for 12 groups = .05."""
    sizes = [1, 1, 1, 2, 2, 3, 3, 4, 5, 6, 7, 9]
    groups = np.repeat(np.arange(12).astype(str), sizes)
    member = half_subset_pairs(len(groups), 4000, rng=np.random.default_rng(3), groups=groups).member
    np.testing.assert_allclose(member[0::2].mean(0), 0.5, atol=0.05)


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        (["a"] * 3 + ["b"] * 3 + ["c"] * 4, r"at least 4 groups, so that halves differ\. Got 3\."),
        (["a"] * 7 + ["b", "c", "d"], r"The group 'a' holds 7 of 10 examples"),
        (["a", "b", "c", "d"], r"must have 10 entries\. Got 4\."),
    ],
)
def test_groups_that_do_not_fit(groups, said):
    with pytest.raises(BadInput, match=said):
        half_subset_pairs(10, 4, rng=np.random.default_rng(0), groups=np.array(groups))


@pytest.mark.parametrize("share", [0.1, 0.25, 0.4])
def test_halves_beside_a_large_group_are_of_equal_size(share):
    large = round(400 * share)
    groups = np.array(["large"] * large + [f"{row}" for row in range(400 - large)])
    design = half_subset_pairs(400, 40, rng=np.random.default_rng(0), groups=groups)
    assert set(design.member.sum(1)) == {200}
    assert design.parameters == {"groups": 401 - large, "large_groups": 1}


def test_two_large_groups_are_together_as_often_as_apart():
    """Fair coins; 3 standard deviations of 400 pairs are .075."""
    groups = np.array(["a"] * 40 + ["b"] * 40 + [f"{row}" for row in range(120)])
    member = half_subset_pairs(200, 800, rng=np.random.default_rng(0), groups=groups).member
    together = (member[:, 0] == member[:, 40]).mean()
    assert together == pytest.approx(0.5, abs=0.075)
    assert set(member.sum(1)) == {100}


def test_the_order_of_version_0_1_0_is_kept_for_its_runs():
    groups = np.array(["large"] * 160 + [f"{row}" for row in range(240)])
    old = half_subset_pairs(400, 8, rng=np.random.default_rng(0), groups=groups, large_first=False)
    assert old.parameters == {"groups": 241}
    assert len(set(old.member.sum(1))) > 1
    small = np.repeat(np.arange(40), 10)
    both = [half_subset_pairs(400, 8, rng=np.random.default_rng(0), groups=small, large_first=f) for f in (True, False)]
    np.testing.assert_array_equal(both[0].member, both[1].member)
