"""The geometry of manifolds whose cones have a known statistical dimension."""

import numpy as np
import pytest
from scipy.optimize import minimize

from byrote.stats.manifold import FEWEST, Geometry, _of_one, geometry


def of(points: np.ndarray, draws: int = 3000) -> Geometry:
    """Of one manifold, whose centre is at a distance of 1."""
    inverse, radius, dimension = _of_one(points.astype(float), np.random.default_rng(0), draws)
    return Geometry(1 / inverse, radius, dimension)


def test_points_segments_and_circles() -> None:
    """1 / capacity is the statistical dimension of the cone: ray 1/2, quarter plane 1, right circular cone 3/2.

    An anchor is inside where t is in the cone, and on the edge elsewhere: of the segment a quarter of all, with
    E tan^2 = 4 / pi - 1 over 45 degrees each way.
    """
    assert of(np.zeros((8, 3))).capacity == pytest.approx(2, rel=0.05)
    segment = of(np.repeat([[1.0, 0.0], [-1.0, 0.0]], 4, axis=0))
    assert segment.capacity == pytest.approx(1, rel=0.05)
    assert segment.radius == pytest.approx(np.sqrt(0.75 + 0.25 * (4 / np.pi - 1)), rel=0.02)
    assert segment.dimension == pytest.approx(1, rel=0.02)
    turn = np.arange(40) * 2 * np.pi / 40
    circle = of(np.stack([np.cos(turn), np.sin(turn)], 1), 1000)
    assert circle.capacity == pytest.approx(2 / 3, rel=0.06)
    inside = (1 - np.sqrt(0.5)) / 2
    within = (np.sqrt(2) + np.sqrt(0.5) - 2) / (1 - np.sqrt(0.5))
    assert circle.radius == pytest.approx(np.sqrt(1 - inside + inside * within), rel=0.03)
    assert circle.dimension == pytest.approx(2, rel=0.05)


def test_wide_manifolds_are_hyperplanes() -> None:
    """A segment that is much longer than its centre is far fills a half plane, of statistical dimension 3/2."""
    assert of(np.repeat([[1e4], [-1e4]], 4, axis=0)).capacity == pytest.approx(2 / 3, rel=0.06)


def test_against_a_general_solver() -> None:
    rng = np.random.default_rng(1)
    points = rng.normal(size=(8, 3))
    points -= points.mean(0)
    inverse, _, _ = _of_one(points, np.random.default_rng(2), 6)
    left, size, _ = np.linalg.svd(points, full_matrices=False)
    cone = np.concatenate([left * size, np.ones((8, 1))], 1).T
    squares = []
    for t in np.random.default_rng(2).normal(size=(6, 4)):
        found = minimize(lambda a, t=t: ((cone @ a - t) ** 2).sum(), np.ones(8), bounds=[(0, None)] * 8, tol=1e-14)
        squares.append(((cone @ found.x) ** 2).sum())
    assert inverse == pytest.approx(np.mean(squares), rel=1e-4)


def test_turns_units_and_shifts_change_nothing_and_more_points_less_room() -> None:
    rng = np.random.default_rng(3)
    clouds = [rng.normal(size=(24, 6)) + 3 * np.eye(6)[k] for k in range(3)]
    turn, _ = np.linalg.qr(rng.normal(size=(6, 6)))
    found = geometry(clouds, np.random.default_rng(0))
    moved = geometry([7 * cloud @ turn + 5 for cloud in clouds], np.random.default_rng(0))
    assert moved.capacity == pytest.approx(found.capacity, rel=0.15)
    assert geometry([cloud[:8] for cloud in clouds], np.random.default_rng(0)).capacity > found.capacity
    near = geometry([cloud - 2 * np.eye(6)[k] for k, cloud in enumerate(clouds)], np.random.default_rng(0))
    assert near.capacity < found.capacity
    assert near.radius > 2 * found.radius


def test_what_has_no_geometry() -> None:
    cloud = np.random.default_rng(0).normal(size=(FEWEST, 3))
    assert np.isnan(geometry([cloud], np.random.default_rng(0)).capacity)
    assert np.isnan(geometry([cloud, cloud[1:]], np.random.default_rng(0)).capacity)
    assert np.isnan(geometry([cloud, cloud], np.random.default_rng(0)).radius)
