"""TwoNN against clouds of known dimension."""

import numpy as np
import pytest

from byrote.stats.two_nn import DISCARDED, two_nn


def rotated(dimension: int, ambient: int, count: int, seed: int = 0) -> np.ndarray:
    """A Gaussian cloud of that dimension, turned into a larger space."""
    rng = np.random.default_rng(seed)
    turn, _ = np.linalg.qr(rng.normal(size=(ambient, ambient)))
    return rng.normal(size=(count, dimension)) @ turn[:dimension]


@pytest.mark.parametrize(("dimension", "near"), [(2, 0.15), (5, 0.4), (10, 1.0)])
def test_the_dimension_of_a_gaussian_cloud_is_found(dimension, near):
    """At n = 1,500 TwoNN is known to find 1.96, 5.12 and 9.76 in one such draw: low at high dimension."""
    assert two_nn(rotated(dimension, 22, 1500)) == pytest.approx(dimension, abs=near)


def test_against_a_slow_loop():
    points = rotated(3, 6, 90)
    ratios = []
    for row, point in enumerate(points):
        apart = sorted(float(np.linalg.norm(point - other)) for n, other in enumerate(points) if n != row)
        ratios.append(apart[1] / apart[0])
    ratios = sorted(ratios)[: int(90 * (1 - DISCARDED))]
    above = sum(np.log(m) * -np.log(1 - (i + 1) / 90) for i, m in enumerate(ratios))
    assert two_nn(points) == pytest.approx(above / sum(np.log(m) ** 2 for m in ratios), rel=1e-9)


def test_copies_turns_and_units_change_nothing():
    points = rotated(4, 9, 400)
    found = two_nn(points)
    assert two_nn(np.concatenate([points, points[:60]])) == pytest.approx(found, rel=1e-9)
    assert two_nn(7 * points + 3) == pytest.approx(found, rel=1e-6)
    assert two_nn(points[::-1]) == pytest.approx(found, rel=1e-9)


def test_too_few_points_or_a_regular_grid_have_no_dimension():
    assert np.isnan(two_nn(rotated(2, 3, 19)))
    assert np.isnan(two_nn(np.ones((100, 3))))
    assert np.isnan(two_nn(np.eye(28)))


def test_a_grid_tells_no_dimension():
    """Both neighbours are equally far but for rounding, of which once 4e15 dimensions came."""
    grid = np.stack(np.meshgrid(np.arange(15.0), np.arange(15.0)), -1).reshape(-1, 2) / 4.32
    assert np.isnan(two_nn(grid))
