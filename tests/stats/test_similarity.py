"""CKA, SVCCA and PWCCA on features whose likeness is known."""

import numpy as np
import pytest

from byrote.stats.similarity import canonical, cka, pwcca, represented, svcca


def drawn(inputs: int, units: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(inputs, units))


def test_a_turned_and_scaled_copy_is_the_same():
    x = drawn(400, 6) * [5, 3, 2, 1, 1, 1]
    turn, _ = np.linalg.qr(drawn(6, 6, 1))
    one, other = represented(x), represented(3 * x @ turn + 100)
    assert cka(one, other) == pytest.approx(1.0)
    assert svcca(one, other) == pytest.approx(1.0)
    assert pwcca(one, other) == pytest.approx(1.0)


def test_any_invertible_map_leaves_canonical_correlations_at_one_and_cka_below():
    x = drawn(400, 5)
    other = x @ np.array(np.diag([20.0, 5, 1, 1, 1]) + 0.1)
    assert pwcca(represented(x), represented(other)) == pytest.approx(1.0)
    np.testing.assert_allclose(canonical(represented(x), represented(other), main=False)[0], 1.0)
    assert cka(represented(x), represented(other)) < 0.8


def test_shared_dimensions_are_counted():
    shared, one, other = drawn(4000, 2), drawn(4000, 3, 1), drawn(4000, 3, 2)
    left, right = represented(np.c_[shared, one]), represented(np.c_[other, shared])
    assert svcca(left, right) == pytest.approx(2 / 5, abs=0.03)
    np.testing.assert_allclose(canonical(left, right, main=False)[0], [1, 1, 0, 0, 0], atol=0.08)


def test_independent_features_have_a_debiased_cka_of_zero():
    """Within 3 standard errors; the biased index is far above."""
    found = np.array(
        [cka(represented(drawn(300, 40, seed)), represented(drawn(300, 40, 999 + seed))) for seed in range(12)]
    )
    assert abs(found.mean()) < 3 * found.std(ddof=1) / np.sqrt(12)
    x, y = (one - one.mean(0) for one in (drawn(300, 40), drawn(300, 40, 999)))
    biased = (np.linalg.norm(x.T @ y) / np.sqrt(np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y))) ** 2
    assert biased > 0.08


def test_cka_against_the_formula_with_gram_matrices():
    x, y = drawn(30, 4) + 2, drawn(30, 7, 1) @ np.diag(np.arange(1, 8.0))
    y[:, :4] += x
    n = 30

    def hsic(k, m):
        k, m = k - np.diag(np.diag(k)), m - np.diag(np.diag(m))
        ones = np.ones(n)
        middle = (ones @ k @ ones) * (ones @ m @ ones) / ((n - 1) * (n - 2))
        return (np.trace(k @ m) + middle - 2 / (n - 2) * (ones @ k @ m @ ones)) / (n * (n - 3))

    k, m = x @ x.T, y @ y.T
    expected = hsic(k, m) / np.sqrt(hsic(k, k) * hsic(m, m))
    assert cka(represented(x), represented(y)) == pytest.approx(expected, rel=1e-8)


def test_pwcca_by_hand_and_it_is_not_symmetric():
    """The first side has a large and a small feature, of which the other side knows the large one."""
    x = np.c_[10 * np.sin(np.arange(200)), np.cos(np.arange(200))]
    x -= x.mean(0)
    y = np.c_[x[:, 0]]
    left = np.linalg.norm(x[:, 0])
    u = x[:, 0] / left
    weight = np.abs(u @ x).sum()
    assert pwcca(represented(x), represented(y)) == pytest.approx(1.0)  # one correlation, whatever its weight
    z = np.c_[x[:, 0], 20 * drawn(200, 1)]
    r, variates = canonical(represented(x), represented(z), main=False)
    weights = np.abs(variates.T @ x).sum(1)
    assert weights[0] == pytest.approx(weight, rel=0.05)
    assert pwcca(represented(x), represented(z)) == pytest.approx((weights @ r) / weights.sum())
    assert pwcca(represented(x), represented(z)) > pwcca(represented(z), represented(x)) + 0.3


def test_constants_added_to_features_change_nothing():
    x, y = drawn(300, 5), drawn(300, 5, 1)
    y[:, :2] += x[:, :2]
    for index in (cka, svcca, pwcca):
        assert index(represented(x + 100), represented(y)) == pytest.approx(index(represented(x), represented(y)))


def test_few_inputs_keep_few_directions():
    assert represented(drawn(100, 50)).kept.shape == (100, 5)
    assert represented(drawn(2000, 50)).kept.shape == (2000, 50)


def test_features_that_do_not_vary_have_no_likeness():
    flat, x = represented(np.ones((80, 3))), represented(drawn(80, 3))
    assert np.isnan([index(a, b) for index in (cka, svcca, pwcca) for a, b in ((flat, x), (x, flat))]).all()
    assert np.isnan(cka(represented(drawn(3, 2)), represented(drawn(3, 2))))
