import base64
import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import byrote
from byrote.data.dataset import Display
from byrote.report.picture import LONGEST_SIDE, Picture, Values, contents


def pixels(picture: object) -> np.ndarray:
    assert isinstance(picture, Picture)
    head, _, body = picture.uri.partition(",")
    assert head == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(body))))


def two(inputs: np.ndarray, **more: object) -> byrote.Dataset:
    return byrote.from_arrays(inputs, [0, 1], **more)  # type: ignore[arg-type]


def test_gray_in_the_unit_range_keeps_its_brightness() -> None:
    inputs = np.zeros((2, 4, 5), np.float32)
    inputs[0, 0, 1] = 0.5
    shown, stretched = contents(two(inputs), np.array([0]))
    assert not stretched
    assert pixels(shown[0]).shape == (4, 5)
    assert pixels(shown[0])[0, :3].tolist() == [0, 128, 0]
    assert isinstance(shown[0], Picture)
    assert shown[0].pixelated


def test_colour_is_channels_last() -> None:
    inputs = np.zeros((2, 3, 4, 5), np.float32)
    inputs[1, 2] = 1.0
    shown, _ = contents(two(inputs), np.array([1]))
    assert pixels(shown[0])[0, 0].tolist() == [0, 0, 255]


def test_other_ranges_are_stretched_picture_by_picture() -> None:
    inputs = np.linspace(-2, 2, 40, dtype=np.float32).reshape(2, 4, 5)
    shown, stretched = contents(two(inputs), np.array([0, 1]))
    assert stretched
    assert [(pixels(p).min(), pixels(p).max()) for p in shown] == [(0, 255), (0, 255)]


def test_a_constant_picture_outside_the_unit_range_is_black() -> None:
    shown, _ = contents(two(np.full((2, 4, 5), 7.0, np.float32)), np.array([0]))
    assert pixels(shown[0]).max() == 0


def test_large_pictures_are_scaled_down_and_smooth() -> None:
    shown, _ = contents(two(np.zeros((2, 600, 300), np.float32)), np.array([0]))
    assert pixels(shown[0]).shape == (LONGEST_SIDE, LONGEST_SIDE // 2)
    assert isinstance(shown[0], Picture)
    assert not shown[0].pixelated


@pytest.mark.parametrize("names", [(), tuple("abcdefghijklmno")])
def test_rows_show_their_first_values(names: tuple[str, ...]) -> None:
    dataset = two(np.linspace(-1, 1, 30, dtype=np.float32).reshape(2, 15))
    dataset = replace(dataset, display=Display("row", (15,), names))
    shown, _ = contents(dataset, np.array([0]))
    assert isinstance(shown[0], Values)
    assert shown[0].cells[0] == ("a" if names else "feature 0", "−1")
    assert (len(shown[0].cells), shown[0].more) == (12, 3)
