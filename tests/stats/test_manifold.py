"""The geometry of manifolds whose cones have a known statistical dimension."""

import numpy as np
import pytest
from scipy.optimize import minimize

from byrote.stats.manifold import FEWEST, Geometry, _correlation, _of_one, _squares, geometry, in_common


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


def with_common(strength: float) -> tuple[list[np.ndarray], np.ndarray]:
    """Manifolds with orthogonal centres of their own, to which one direction is added, more or less of it."""
    rng = np.random.default_rng(4)
    turn, _ = np.linalg.qr(rng.normal(size=(30, 30)))
    share = rng.permutation(np.r_[-np.ones(5), np.ones(5)]) * rng.uniform(0.5, 1.5, 10)
    clouds = [0.3 * rng.normal(size=(10, 29)) + 2 * np.eye(29)[k] for k in range(10)]
    return [np.c_[cloud, np.full(10, strength * own)] @ turn for cloud, own in zip(clouds, share, strict=True)], turn[
        29
    ]


def test_what_centres_have_in_common_is_found_and_left_out() -> None:
    """The rest of ten centres of their own correlates as their distance from the mean makes it, by 1 / 9."""
    clouds, direction = with_common(12.0)
    centres = np.array([cloud.mean(0) for cloud in clouds])
    found = in_common(centres)
    assert found.shape[1] == 1
    np.testing.assert_allclose(found.T @ found, np.eye(1), atol=1e-9)
    assert abs(found[:, 0] @ direction) > 0.99
    centred = centres - centres.mean(0)
    assert _correlation(centred) > 0.9
    assert _correlation(centred - centred @ found @ found.T) < 0.2
    plain = geometry(with_common(0.0)[0], np.random.default_rng(0), 25)
    assert geometry(clouds, np.random.default_rng(0), 25).radius < 0.5 * plain.radius
    mended = geometry(clouds, np.random.default_rng(0), 25, decorrelated=True)
    assert mended.radius == pytest.approx(plain.radius, rel=0.15)
    assert mended.capacity == pytest.approx(plain.capacity, rel=0.15)


def test_the_slope_of_squared_correlations_against_differences() -> None:
    rng = np.random.default_rng(5)
    inside, found = rng.normal(size=(6, 5)), np.linalg.qr(rng.normal(size=(5, 2)))[0]
    _, slope = _squares(inside, found)
    np.testing.assert_allclose(found.T @ slope, 0, atol=1e-12)
    way = rng.normal(size=(5, 2))
    way -= found @ (found.T @ way)
    ends = [_squares(inside, np.linalg.qr(found + sign * 1e-6 * way)[0])[0] for sign in (1, -1)]
    assert (ends[0] - ends[1]) / 2e-6 == pytest.approx(float((slope * way).sum()), rel=1e-5)


def test_centres_that_have_nothing_in_common_are_left_alone() -> None:
    assert in_common(np.eye(4)).shape == (4, 0)


def test_what_has_no_geometry() -> None:
    cloud = np.random.default_rng(0).normal(size=(FEWEST, 3))
    assert np.isnan(geometry([cloud], np.random.default_rng(0)).capacity)
    assert np.isnan(geometry([cloud, cloud[1:]], np.random.default_rng(0)).capacity)
    assert np.isnan(geometry([cloud, cloud], np.random.default_rng(0)).radius)
