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
