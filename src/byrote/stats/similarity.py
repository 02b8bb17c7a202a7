"""How alike two representations of the same inputs are: CKA, SVCCA and PWCCA, which answer differently."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

#: SVCCA keeps the directions that hold this share of the variance.
VARIANCE = 0.99
#: Canonical correlations take so many inputs for each direction of a side: with fewer, noise alone correlates.
INPUTS_EACH = 20
#: A direction whose deviation is that small beside the largest is rounding.
RANK = 1e-6


@dataclass(frozen=True, eq=False)
class Represented:
    """Centred features of inputs, `squares` their squared lengths, and orthonormal directions by falling variance.

    `kept` are as many directions as the number of inputs allows, `main` those of them that hold 99 % of the variance.
    """

    features: Float[np.ndarray, "input unit"]
    squares: Float[np.ndarray, " input"]
    kept: Float[np.ndarray, "input direction"]
    main: int


def represented(features: Float[np.ndarray, "input unit"]) -> Represented:
    """Features as all three indices need them.

    Of n inputs at most n / 20 directions are kept, so that there are 10 inputs for each dimension of both sides.
    """
    x = features.astype(np.float64)
    x = x - x.mean(0)
    vectors, values, _ = np.linalg.svd(x, full_matrices=False)
    most = min(len(x) // INPUTS_EACH, int((values > RANK * values.max(initial=0.0)).sum()))
    share = np.cumsum(values**2) / max(float((values**2).sum()), 1e-300)
    main = min(most, int(np.searchsorted(share, VARIANCE)) + 1)
    return Represented(x, (x**2).sum(1), vectors[:, :most], main)


def cka(one: Represented, other: Represented) -> float:
    """Linear centred kernel alignment with unbiased HSIC; about 0 of independent features, 1 of rotated ones.

    Formula:
        HSIC(K, L) = (tr KL + 1'K1 1'L1 / ((n-1)(n-2)) - 2 1'KL1 / (n-2)) / (n (n-3)), diagonals 0;
        HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L)), K and L the Gram matrices of features
    Undefined:
        nan with fewer than 4 inputs, or where a side does not vary.

    Source: Kornblith et al. 2019, arXiv:1905.00414; the unbiased estimate of Song et al. 2012, JMLR 13.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(50, 3))
        >>> round(cka(represented(x), represented(2 * x[:, ::-1])), 6)
        1.0
    """
    if len(one.features) < 4:
        return float("nan")
    own = _hsic(one, one), _hsic(other, other)
    if min(own) <= 0 or not min(one.squares.sum(), other.squares.sum()) > 0:
        return float("nan")
    return float(_hsic(one, other) / np.sqrt(own[0] * own[1]))


def _hsic(one: Represented, other: Represented) -> float:
    n = len(one.features)
    trace = float(((one.features.T @ other.features) ** 2).sum() - one.squares @ other.squares)
    # features are centred, so that a row of their Gram matrix has the sum 0 with its diagonal
    total = float(one.squares.sum() * other.squares.sum())
    rows = float(one.squares @ other.squares)
    return (trace + total / ((n - 1) * (n - 2)) - 2 * rows / (n - 2)) / (n * (n - 3))


def canonical(one: Represented, other: Represented, *, main: bool) -> tuple[np.ndarray, np.ndarray]:
    """Canonical correlations, falling, and the unit canonical variates `[input, correlation]` of the first side."""
    left = one.kept[:, : one.main] if main else one.kept
    right = other.kept[:, : other.main] if main else other.kept
    turn, correlations, _ = np.linalg.svd(left.T @ right, full_matrices=False)
    return np.clip(correlations, 0.0, 1.0), left @ turn


def svcca(one: Represented, other: Represented) -> float:
    """Mean canonical correlation of the directions that hold 99 % of the variance of either side.

    Undefined:
        nan with fewer than 20 inputs, or where a side does not vary.

    Source: Raghu et al. 2017, arXiv:1706.05806.
    Differs:
        The share is of the sum of squared singular values; the authors' tutorial keeps 20 directions. Of n inputs at
        most n / 20 directions are kept.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(200, 3))
        >>> round(svcca(represented(x), represented(-x)), 6)
        1.0
    """
    if not min(one.main, other.main):
        return float("nan")
    return float(canonical(one, other, main=True)[0].mean())


def pwcca(one: Represented, other: Represented) -> float:
    """Canonical correlations, weighted by how much of the first side's features each direction accounts for.

    Formula:
        sum_i a_i r_i / sum_i a_i, a_i = sum_j |<u_i, x_j>|, u_i canonical variates and x_j features of the first side
    Undefined:
        nan with fewer than 20 inputs, or where a side does not vary. Where correlations tie, their variates may be
        rotated among each other, and the weights with them.

    Source: Morcos et al. 2018, arXiv:1806.05759.
    Differs:
        The published code leaves the whitening out of the directions and adds means back, so that its figure changes
        where a constant is added to features; published figures are not comparable. Of n inputs at most n / 20
        directions are kept.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(200, 3))
        >>> round(pwcca(represented(x), represented(x @ np.triu(np.ones((3, 3))) + 100)), 6)
        1.0
    """
    if not min(one.main, other.main):
        return float("nan")
    correlations, variates = canonical(one, other, main=False)
    weights = np.abs(variates.T @ one.features).sum(1)
    return float(weights @ correlations / weights.sum())
