import numpy as np
import pytest
from scipy.stats import binomtest, chisquare

from byrote.designs.coins import coins
from byrote.errors import BadInput

CANARIES = np.array([7, 2, 5])


def test_each_canary_is_a_fair_coin():
    draws = np.concatenate(
        [coins(9, 5, canaries=CANARIES, rng=np.random.default_rng(seed)).member for seed in range(400)]
    )
    for canary in CANARIES:
        assert binomtest(int(draws[:, canary].sum()), len(draws)).pvalue > 1e-3
    codes = draws[:, CANARIES] @ [1, 2, 4]
    assert chisquare(np.bincount(codes, minlength=8)).pvalue > 1e-3, "the three coins are independent"


def test_the_rest_is_always_in():
    design = coins(9, 3, canaries=CANARIES, rng=np.random.default_rng(0))
    rest = np.setdiff1d(np.arange(9), CANARIES)
    assert design.member[:, rest].all()
    np.testing.assert_array_equal(design.models_of("target"), [0, 1, 2])
    assert not len(design.models_of("reference"))


def test_one_model_is_enough():
    assert coins(4, 1, canaries=np.array([0]), rng=np.random.default_rng(0)).models == 1


def test_refusals():
    rng = np.random.default_rng(0)
    with pytest.raises(BadInput, match=r"'models' argument of coins must be at least 1\. Got 0\."):
        coins(4, 0, canaries=np.array([1]), rng=rng)
    for wrong in (np.array([4]), np.array([-1]), np.array([], np.int64)):
        with pytest.raises(BadInput, match=rf"must name rows in \[0, 4\)\. Got {len(wrong)} rows\."):
            coins(4, 1, canaries=wrong, rng=rng)
