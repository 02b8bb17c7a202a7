"""What all backdoors share."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from byrote.changes.data._stamping import GROUP, matched_noise, patch
from byrote.changes.data.backdoor import Backdoor
from byrote.changes.data.blended_backdoor import BlendedBackdoor
from byrote.changes.data.clean_label_backdoor import CleanLabelBackdoor
from byrote.changes.data.input_noise import InputNoise
from byrote.data import blocks, from_arrays, room
from byrote.data.mapped import place_of
from byrote.errors import BadInput
from small import blobs

BACKDOORS = (Backdoor(0.1), BlendedBackdoor(0.1), CleanLabelBackdoor(0.1))


def pictures(count=120, **facts):
    rng = np.random.default_rng(1)
    classes = {"class_names": ("a", "b", "c"), **facts}
    return from_arrays(
        rng.random((count, 1, 5, 6)).astype(np.float32), np.arange(count) % 3, name="pictures", **classes
    )


def context(seed=0):
    return SimpleNamespace(rng=np.random.default_rng(seed))


@pytest.mark.parametrize(
    ("shape", "cells"),
    [("square", [[1, 1, 1], [1, 1, 1], [1, 1, 1]]), ("cross", [[1, 0, 1], [0, 1, 0], [1, 0, 1]]),
     ("checkers", [[1, 0, 1], [0, 1, 0], [1, 0, 1]])],
)  # fmt: skip
def test_a_patch_covers_its_cells_at_its_corner_and_nothing_else(shape, cells):
    data = pictures()
    for corner, (row, column) in {"bottom-right": (2, 3), "top-left": (0, 0), "top-right": (0, 3)}.items():
        mark = patch(data, 1, size=3, shape=shape, corner=corner, caller="backdoor")
        expected = np.zeros((1, 5, 6))
        expected[0, row : row + 3, column : column + 3] = cells
        np.testing.assert_array_equal(mark.opacity, expected)
        stamped = mark.stamped(np.asarray(data.inputs))
        assert (stamped[:, expected == 1] == data.inputs.max()).all()
        np.testing.assert_array_equal(stamped[:, expected == 0], data.inputs[:, expected == 0])


def test_checkers_of_two_pixels_are_no_cross():
    checkers = patch(pictures(), 0, size=2, shape="checkers", corner="top-left", caller="backdoor")
    assert checkers.opacity[0, :2, :2].tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize("change", BACKDOORS, ids=lambda one: one.name)
def test_rows_have_no_pixels(change):
    message = f"^{change.name} puts a pattern on pixels, and the examples of 'blobs' are rows of numbers"
    with pytest.raises(BadInput, match=message):
        change.apply(blobs(), context())


@pytest.mark.parametrize("size", [0, 6, 100])
def test_a_patch_larger_than_the_picture(size):
    with pytest.raises(BadInput, match=f"^A patch of {size} × {size} pixels does not fit into pictures of 5 × 6"):
        Backdoor(0.1, size=size).apply(pictures(), context())


@pytest.mark.parametrize("change", BACKDOORS, ids=lambda one: one.name)
def test_one_backdoor_per_dataset(change):
    with pytest.raises(BadInput, match="'pictures' has a backdoor, a square of 2 × 2 pixels at the bottom right"):
        change.apply(Backdoor(0.1).apply(pictures(), context()), context())


@pytest.mark.parametrize("change", BACKDOORS, ids=lambda one: one.name)
def test_a_target_that_is_no_class(change):
    with pytest.raises(BadInput, match=f"^The target 'd' of {change.name} is not a class of 'pictures'"):
        type(change)(0.1, target="d").apply(pictures(), context())


@pytest.mark.parametrize("change", BACKDOORS, ids=lambda one: one.name)
def test_poisons_that_are_together_are_one_group(change):
    together = type(change)(0.1, together=True)
    alone = together.apply(pictures(), context())
    poisons = np.isin(alone.ids, alone.controls.example)
    assert set(alone.groups[poisons]) == {GROUP}
    assert len(set(alone.groups[~poisons])) == (~poisons).sum()
    grouped = together.apply(pictures(groups=np.arange(120) // 10), context())
    np.testing.assert_array_equal(grouped.groups[~poisons], (np.arange(120) // 10).astype(str)[~poisons])
    assert set(grouped.groups[poisons]) == {GROUP}


def test_noise_has_the_level_of_the_data():
    # 40 x 30 numbers: the mean errs by sd / sqrt(1200), the deviation by sd / sqrt(2400)
    data = pictures()
    noise = matched_noise(data, 40, np.random.default_rng(0))
    mean, deviation = data.inputs.mean(), data.inputs.std()
    assert abs(noise.mean() - mean) < 4 * deviation / np.sqrt(1200)
    assert abs(noise.std() - deviation) < 4 * deviation / np.sqrt(2400)
    rows = blobs(300)
    noise = matched_noise(rows, 4000, np.random.default_rng(0))
    np.testing.assert_allclose(noise.mean(0), rows.inputs.mean(0), atol=0.15)
    np.testing.assert_allclose(noise.std(0), rows.inputs.std(0), rtol=0.05)


def test_the_level_of_pictures_is_that_of_all_pixels_a_block_at_a_time(monkeypatch):
    data = pictures()
    monkeypatch.setattr(blocks, "VALUES_PER_BLOCK", 100)
    drawn = np.random.default_rng(0).standard_normal((4, 1, 5, 6))
    pixels = np.asarray(data.inputs, np.float64)
    expected = pixels.mean() + pixels.std() * drawn
    np.testing.assert_allclose(matched_noise(data, 4, np.random.default_rng(0)), expected, rtol=1e-12)


@pytest.mark.parametrize("change", [*BACKDOORS, InputNoise(0.1)], ids=lambda one: one.name)
def test_large_inputs_stay_in_a_file(change, monkeypatch, tmp_path):
    inside = change.apply(pictures(), context()).inputs
    assert place_of(inside) is None
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(room, "memory", lambda: 2**10)
    outside = change.apply(pictures(), context()).inputs
    assert place_of(outside) is not None
    np.testing.assert_array_equal(outside, inside)
