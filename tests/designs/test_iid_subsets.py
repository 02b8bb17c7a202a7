import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from byrote.designs.iid_subsets import iid_subsets, subset_size
from byrote.errors import BadInput


@given(st.integers(4, 60), st.integers(4, 12), st.sampled_from((0.25, 0.5, 0.75)), st.integers(0, 99))
def test_sizes_are_exact(examples, models, ratio, seed):
    design = iid_subsets(examples, models, ratio=ratio, rng=np.random.default_rng(seed))
    np.testing.assert_array_equal(design.member.sum(1), np.floor(ratio * examples))
    np.testing.assert_array_equal(design.pair, -1)
    assert design.parameters == {"ratio": ratio}


def test_models_are_independent():
    """Membership of one example in models 0 and 1 is as if by two coins of .7: .49 in both, 4 sd = .045."""
    draws = [iid_subsets(10, 4, rng=np.random.default_rng(seed)).member[:, 3] for seed in range(2000)]
    both = np.mean([row[0] * row[1] for row in draws])
    assert abs(both - 0.49) < 0.045
    assert abs(np.mean(draws) - 0.7) < 0.021


@pytest.mark.parametrize("ratio", [0.0, 1.0, -0.5, 1.5, 0.05])
def test_a_ratio_that_leaves_all_or_none_is_refused(ratio):
    with pytest.raises(BadInput, match=rf"'ratio' argument must leave .* of 10 examples .* Got {ratio}\."):
        iid_subsets(10, 4, ratio=ratio, rng=np.random.default_rng(0))


def test_smallest_and_largest_subsets():
    assert subset_size(0.5, 2) == 1
    assert subset_size(0.99, 10) == 9


def test_too_few_models():
    with pytest.raises(BadInput, match=r"'models' argument of iid_subsets must be at least 4.*Got 3\."):
        iid_subsets(10, 3, rng=np.random.default_rng(0))


def test_the_size_is_the_floor_of_the_product_and_not_of_its_rounding():
    assert subset_size(0.29, 100) == 29
    assert subset_size(0.7, 10) == 7
    for ratio in (float("nan"), float("inf"), 0.0, 1.0):
        with pytest.raises(BadInput, match="must leave at least one of 100 examples in and one out"):
            subset_size(ratio, 100)
