"""Manifolds of points: how many of them a linear classifier can separate, their width and their dimension."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize, nnls

#: With fewer points the geometry of a manifold is too uncertain to report.
FEWEST = 8


@dataclass(frozen=True)
class Geometry:
    """Separable manifolds per dimension, the radius relative to the distance of centres, and the dimension."""

    capacity: float
    radius: float
    dimension: float


def geometry(
    manifolds: Sequence[Float[np.ndarray, "_ unit"]],
    rng: np.random.Generator,
    draws: int = 100,
    *,
    decorrelated: bool = False,
) -> Geometry:
    """Capacity, radius and dimension of manifolds of points; their centres correlate unless they are `decorrelated`.

    Formula:
        manifold k: its points less the mean of all, centred on their own mean and divided by its length, with a
        coordinate 1 added: s. For Gaussian t: a = argmin |t - sum_j a_j s_j|^2, a >= 0; 1 / capacity_k =
        E |sum_j a_j s_j|^2, capacity the harmonic mean over k. Anchor s~ = sum_j a_j s_j / sum_j a_j, or the point of
        largest projection where a = 0; radius^2 = E |s~ - E s~|^2; dimension = d (E cos(t, s~ - E s~))^2, d that of the
        span of the points; both the mean over k
    Undefined:
        nan with fewer than 2 manifolds, or fewer than 8 points in one, or where a centre is the mean of all. With fewer
        points the capacity is larger: compare equal numbers only. The dimension of points that are all the same is 0.

    Source: Chung et al. 2018, PRX 8, 031003, eq. 16, 28 and 29; Stephenson et al. 2021, arXiv:2105.14602.
    Differs:
        At a margin of 0 the quadratic programme is non-negative least squares, which is solved here. Published code
        always projects out what centres have in common, and counts a direction that the points do not have.

    Example:
        >>> made = geometry([np.full((8, 2), 1.0), np.full((8, 2), -1.0)], np.random.default_rng(0), 4000)
        >>> round(made.capacity, 1), made.radius, made.dimension
        (2.0, 0.0, 0.0)
    """
    nothing = Geometry(float("nan"), float("nan"), float("nan"))
    if len(manifolds) < 2 or min(map(len, manifolds)) < FEWEST:
        return nothing
    if decorrelated:
        common = in_common(np.array([points.mean(0, dtype=np.float64) for points in manifolds]))
        manifolds = [points - (points @ common) @ common.T for points in manifolds]
    middle = np.mean([points.mean(0) for points in manifolds], axis=0, dtype=np.float64)
    found = []
    for points in manifolds:
        centre = points.mean(0, dtype=np.float64) - middle
        length = float(np.linalg.norm(centre))
        if length <= 1e-12 * max(1.0, float(np.abs(points).max())):
            return nothing
        found.append(_of_one((points - middle - centre) / length, rng, draws))
    inverse, radius, dimension = np.mean(found, axis=0)
    return Geometry(float(1 / inverse), float(radius), float(dimension))


def _of_one(
    points: Float[np.ndarray, "point unit"], rng: np.random.Generator, draws: int
) -> tuple[float, float, float]:
    """1 / capacity, radius and dimension of centred points."""
    inside = _coordinates(points)
    count, span = inside.shape
    cone = np.concatenate([inside, np.ones((count, 1))], 1).T
    shown = rng.normal(size=(draws, span + 1))
    squares, anchors = np.empty(draws), np.empty((draws, span))
    for number, t in enumerate(shown):
        weight, _ = nnls(cone, t)
        nearest = cone @ weight
        squares[number] = nearest @ nearest
        total = weight.sum()
        anchors[number] = nearest[:span] / total if total > 0 else inside[np.argmax(inside @ t[:span])]
    apart = anchors - anchors.mean(0)
    lengths = np.linalg.norm(apart, axis=1) * np.linalg.norm(shown[:, :span], axis=1)
    cosine = np.divide((apart * shown[:, :span]).sum(1), lengths, out=np.zeros(draws), where=lengths > 0)
    return float(squares.mean()), float(np.sqrt((apart**2).sum(1).mean())), float(span * cosine.mean() ** 2)


def _coordinates(points: Float[np.ndarray, "point unit"]) -> Float[np.ndarray, "point span"]:
    """Centred points by the directions that they span."""
    left, size, _ = np.linalg.svd(points, full_matrices=False)
    kept = size > 1e-6 * max(size.max(initial=0.0), 1e-12)
    if not kept.any():
        return np.zeros((len(points), 1))
    return np.asarray(left[:, kept] * size[kept])


def in_common(centres: Float[np.ndarray, "manifold unit"]) -> Float[np.ndarray, "unit direction"]:
    """Orthonormal directions that are the same in many centres, so that the rest of the centres correlate least.

    Formula:
        V = argmin over subspaces of each size K of the sum of squared correlations of (1 - V V') c, c the centres less
        their mean; of the K from 0 to the centres' rank less 2 that with the smallest mean absolute correlation
    Source: Chung, Lee & Sompolinsky 2018, PRX 8, 031003, section VI; Cohen et al. 2020, Nature Communications 11, 746.
    Differs: it starts at the largest directions of the centres, where theirs starts at random, several times.

    Example:
        >>> centres = np.eye(5) + np.outer([4.0, -4.0, 4.0, -4.0, 0.0], np.eye(5)[0])
        >>> abs(in_common(centres))[0].round(1)
        array([1.])
    """
    centred = centres - centres.mean(0)
    _, size, directions = np.linalg.svd(centred, full_matrices=False)
    directions = directions[size > 1e-9 * size.max(initial=0.0)]
    inside = centred @ directions.T
    best, least = np.zeros((len(directions), 0)), _correlation(inside)
    for count in range(1, len(directions) - 1):
        found = _least_alike(inside, np.eye(len(directions))[:, :count])
        left = _correlation(inside - inside @ found @ found.T)
        if left < least:
            best, least = found, left
    return np.asarray(directions.T @ best)


def _correlation(inside: Float[np.ndarray, "manifold direction"]) -> float:
    """The mean absolute correlation of different centres; infinite where one is at the mean."""
    length = np.linalg.norm(inside, axis=1)
    if length.min() <= 1e-9 * length.max():
        return float("inf")
    alike = np.abs(inside @ inside.T / np.outer(length, length))
    return float(alike[~np.eye(len(alike), dtype=bool)].mean())


def _least_alike(
    inside: Float[np.ndarray, "manifold direction"], start: Float[np.ndarray, "direction count"]
) -> Float[np.ndarray, "direction count"]:
    """The subspace without which squared correlations are smallest, spanned by the columns of a matrix."""

    def cost(flat: Float[np.ndarray, " entry"]) -> tuple[float, Float[np.ndarray, " entry"]]:
        orthonormal, triangle = np.linalg.qr(flat.reshape(start.shape))
        value, slope = _squares(inside, orthonormal)
        return value, np.linalg.solve(triangle, slope.T).T.ravel()

    found = minimize(cost, start.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 200, "ftol": 1e-8})
    return np.asarray(np.linalg.qr(found.x.reshape(start.shape))[0])


def _squares(
    inside: Float[np.ndarray, "manifold direction"], found: Float[np.ndarray, "direction count"]
) -> tuple[float, Float[np.ndarray, "direction count"]]:
    """The sum of squared correlations of centres without a subspace, and its slope across that."""
    left = inside - inside @ found @ found.T
    products = left @ left.T
    length = np.maximum(np.diag(products), 1e-12 * float((inside**2).sum()))
    off = products * ~np.eye(len(products), dtype=bool)
    cost = float((off**2 / np.outer(length, length)).sum())
    inner = 2 * off / np.outer(length, length) - np.diag(2 / length**2 * (off**2 / length).sum(1))
    return cost, np.asarray(-2 * left.T @ inner @ (inside @ found))
