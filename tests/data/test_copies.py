from __future__ import annotations

from itertools import product

import numpy as np
import pytest

import byrote
from byrote.changes.change import Context
from byrote.changes.data.near_duplicates import NearDuplicates
from byrote.data.copies import ONE_IN, clusters, copies
from byrote.data.digits import digits


def rows(inputs, targets=None):
    return byrote.from_arrays(
        np.asarray(inputs, np.float32), np.arange(len(inputs)) % 2 if targets is None else targets
    )


def planted_pairs(dataset):
    place = {name: row for row, name in enumerate(dataset.ids.tolist())}
    controls = dataset.controls
    return {(place[o], place[e]) for e, o in zip(controls.example.tolist(), controls.original.tolist(), strict=True)}


def by_definition(points, dimension, tries=1):
    """Near copies from the formula, pair by pair: slow."""
    apart = np.sqrt(((points[:, None] - points[None]) ** 2).sum(2))
    np.fill_diagonal(apart, np.inf)
    tenth = np.sort(apart, axis=1)[:, 9]
    chance = tries * 9 * (apart / np.minimum(np.minimum(tenth[:, None], tenth), np.median(tenth))) ** dimension
    return {(i, j) for i, j in product(range(len(points)), repeat=2) if i < j and chance[i, j] <= 1 / ONE_IN}


def test_near_copies_are_those_of_the_formula():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(120, 3))
    points = np.vstack([points, points[:6] + 0.001 * rng.normal(size=(6, 3))]) / points.std(0)
    found = copies(rows(points))
    scaled = points.astype(np.float32) / points.astype(np.float32).std(0)
    assert set(map(tuple, found.near.tolist())) == by_definition(scaled.astype(np.float64), found.dimension)
    assert len(found.near) >= 5


def test_digits_that_moved_by_a_pixel_and_were_noised_are_all_found_and_no_others():
    dataset = digits()[0]
    planted = NearDuplicates(0.05).apply(dataset, Context(dataset=dataset, rng=np.random.default_rng(0)))
    found = set(map(tuple, copies(planted).near.tolist()))
    truth = planted_pairs(planted)
    assert len(found & truth) / len(truth) >= 0.95
    assert len(found - truth) <= len(planted) / 1000


@pytest.mark.parametrize("dimensions", [1, 2, 10])
def test_where_nothing_was_copied_at_most_one_in_a_thousand_is_called_a_copy(dimensions):
    normal = np.random.default_rng(1).normal(size=(1_000, dimensions))
    assert len(copies(rows(normal)).near) <= 1


def test_the_same_input_is_an_exact_copy_and_no_near_one():
    points = np.random.default_rng(2).normal(size=(60, 4))
    found = copies(rows(np.vstack([points, points[[3, 3]]])))
    assert found.same[[3, 60, 61]].tolist() == [3, 3, 3]
    assert len(found.near) == 0
    assert np.flatnonzero(np.bincount(found.same)[found.same] > 1).tolist() == [3, 60, 61]


def test_whole_numbers_and_few_rows_have_no_near_copies():
    words = byrote.from_arrays(np.arange(120).reshape(40, 3), np.arange(40) % 2)
    assert np.isnan(copies(words).dimension) or words.inputs.dtype.kind == "f"
    few = copies(rows(np.random.default_rng(3).normal(size=(8, 2))))
    assert np.isnan(few.dimension)
    assert len(few.near) == 0


def test_without_near_copies_only_exact_ones_are_told():
    points = np.random.default_rng(4).normal(size=(60, 4))
    found = copies(rows(np.vstack([points, points[:1], points[1:2] + 1e-5])), near=False)
    assert found.same[60] == 0
    assert len(found.near) == 0


def test_chains_of_pairs_are_one_cluster():
    assert clusters(6, np.array([[0, 2], [2, 5], [3, 4]])).tolist() == [0, 1, 0, 3, 3, 0]


def test_the_few_of_a_small_cluster_are_no_copies_of_each_other():
    rng = np.random.default_rng(6)
    points = rng.normal(size=(150, 5))
    points[:6] += 40
    assert len(copies(rows(points)).near) == 0


def with_a_near_copy():
    points = np.random.default_rng(3).normal(size=(300, 6))
    return np.vstack([points, points[:1] + 1e-3])


@pytest.mark.parametrize("beside", [None, 0.1, 1e30])
def test_where_the_columns_lie_and_what_is_constant_changes_nothing(beside):
    points = with_a_near_copy() + 1e4
    if beside is not None:
        points = np.column_stack([points, np.full(len(points), beside)])
    assert copies(rows(points)).near.tolist() == [[0, 300]]


def test_the_points_of_a_grid_are_no_copies_of_each_other():
    grid = np.array(list(product(range(15), repeat=2)), float)
    assert copies(rows(grid)).near.tolist() == []
    blurred = grid + 1e-4 * np.random.default_rng(0).normal(size=grid.shape)
    found = copies(rows(blurred))
    assert found.dimension == 2
    assert found.near.tolist() == []


def test_one_point_far_from_a_line_overflows_nothing():
    line = np.vstack([np.arange(400)[:, None] * np.ones((1, 2)), [[1e6, 1e6]]])
    assert copies(rows(line)).near.tolist() == []


@pytest.mark.parametrize("copied", [9, 10, 40])
def test_many_near_copies_of_one_example_are_one_cluster_however_many_there_are(copied):
    rng = np.random.default_rng(8)
    points = rng.normal(size=(300, 4))
    points = np.vstack([points, points[5] + 1e-3 * rng.normal(size=(copied, 4))])
    found = copies(rows(points))
    together = clusters(len(points), found.near)
    assert np.flatnonzero(np.bincount(together)[together] > 1).tolist() == [5, *range(300, 300 + copied)]
    if copied >= 10:  # those of fewer are joined through their nearest alone
        assert np.flatnonzero(together == 5).tolist() == [5, *range(300, 300 + copied)]
    assert (found.chance <= 1 / ONE_IN).all()


def test_far_from_all_others_many_copies_are_outliers_all_the_same():
    rng = np.random.default_rng(9)
    points = rng.normal(size=(300, 4))
    points[:12] = 30 + 1e-3 * rng.normal(size=(12, 4))
    found = copies(rows(points))
    assert found.tenth[:12].min() > 3 * np.median(found.tenth)


@pytest.mark.parametrize("size", [12, 100])
def test_where_points_lie_closer_together_they_are_no_copies(size):
    rng = np.random.default_rng(10)
    points = np.vstack([rng.normal(size=(600, 4)), 1 + 0.1 * rng.normal(size=(size, 4))])
    assert len(copies(rows(points)).near) == 0
