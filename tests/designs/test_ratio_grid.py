import numpy as np
import pytest
from scipy import stats

from byrote.designs.ratio_grid import TENTHS, ratio_grid
from byrote.errors import BadInput


def test_models_of_a_ratio_stand_together():
    design = ratio_grid(20, 5, ratios=(0.25, 0.5, 0.75), rng=np.random.default_rng(0))
    np.testing.assert_array_equal(design.member.sum(1), np.repeat([5, 10, 15], 5))
    assert design.models == 15
    assert design.parameters == {"ratios": [0.25, 0.5, 0.75], "models_per_ratio": 5}
    assert len({row.tobytes() for row in design.member}) == 15


def test_tenths_by_default():
    member = ratio_grid(10, 4, rng=np.random.default_rng(0)).member
    np.testing.assert_array_equal(member.sum(1), np.repeat(np.arange(1, 10), 4))
    assert len(TENTHS) == 9


def test_refusals():
    with pytest.raises(BadInput, match=r"'models' argument of ratio_grid must be at least 4"):
        ratio_grid(10, 3, rng=np.random.default_rng(0))
    with pytest.raises(BadInput, match=r"'ratio' argument .* Got 0\.01\."):
        ratio_grid(10, 4, ratios=(0.5, 0.01), rng=np.random.default_rng(0))


def test_an_empty_grid_is_refused():
    with pytest.raises(BadInput, match="at least one ratio"):
        ratio_grid(10, 4, ratios=(), rng=np.random.default_rng(0))


def test_every_example_is_left_out_as_often():
    member = ratio_grid(50, 10, ratios=(0.3, 0.9), rng=np.random.default_rng(0)).member.reshape(2, 10, 50)
    np.testing.assert_array_equal((member == 0).sum(1), np.repeat([[7], [1]], 50, axis=1))
    member = ratio_grid(30, 7, ratios=(0.8,), rng=np.random.default_rng(1)).member
    assert set((member == 0).sum(0).tolist()) == {1, 2}


def test_a_model_may_have_any_subset():
    """Each of the 10 subsets of 2 of 5, at either model, about as often."""
    draws = [ratio_grid(5, 4, ratios=(0.4,), rng=np.random.default_rng(seed)).member for seed in range(600)]
    for model in (0, 3):
        _, times = np.unique([draw[model] for draw in draws], axis=0, return_counts=True)
        assert len(times) == 10
        assert stats.chisquare(times).pvalue > 1e-3
