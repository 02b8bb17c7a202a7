"""An example as a person sees it: a picture as a PNG in the page, or a row of named values."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Shaped, UInt8

from byrote.data.dataset import Dataset
from byrote.data.vocabulary import TextDisplay
from byrote.report.text import plain

#: Longer sides are scaled down to this many pixels.
LONGEST_SIDE = 224
#: From this side on a picture is smoothed when it is enlarged; below, its pixels stay squares.
SMOOTH_FROM = 96
MOST_VALUES = 12


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A PNG as a data URI and its size."""

    uri: str
    width: int
    height: int

    @property
    def pixelated(self) -> bool:
        """Whether its pixels are few enough to be shown as squares."""
        return max(self.width, self.height) < SMOOTH_FROM


@dataclass(frozen=True, kw_only=True)
class Values:
    """The first values of a row with their names, and how many more there are."""

    cells: tuple[tuple[str, str], ...]
    more: int


Content = Picture | Values


def contents(dataset: Dataset, rows: Shaped[np.ndarray, " row"]) -> tuple[list[Content], bool]:
    """These examples, and whether the brightness of the pictures was stretched to be seen."""
    if dataset.display.kind != "image":
        return [_values(dataset, int(row)) for row in rows], False
    pictures = [np.asarray(dataset.display.picture(dataset.inputs[row]), np.float32) for row in rows]
    low = min((float(picture.min()) for picture in pictures), default=0.0)
    high = max((float(picture.max()) for picture in pictures), default=1.0)
    stretched = low < 0.0 or high > 1.0
    return [_png(_stretched(picture) if stretched else picture) for picture in pictures], stretched


def _stretched(picture: Float[np.ndarray, "height width *channel"]) -> Float[np.ndarray, "height width *channel"]:
    low, high = picture.min(), picture.max()
    scaled: np.ndarray = (picture - low) / np.maximum(high - low, np.float32(1e-12))
    return scaled


def _png(picture: Float[np.ndarray, "height width *channel"]) -> Picture:
    from PIL import Image

    pixels: UInt8[np.ndarray, "height width *channel"] = np.round(np.clip(picture, 0, 1) * 255).astype(np.uint8)
    image = Image.fromarray(np.ascontiguousarray(pixels))
    image.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    stream = io.BytesIO()
    image.save(stream, "PNG", optimize=True)
    encoded = base64.b64encode(stream.getvalue()).decode("ascii")
    return Picture(uri=f"data:image/png;base64,{encoded}", width=image.width, height=image.height)


def _values(dataset: Dataset, row: int) -> Values:
    if isinstance(dataset.display, TextDisplay):
        return Values(
            cells=(("text", plain(dataset.display.text(str(dataset.ids[row]), dataset.inputs[row]))),), more=0
        )
    own = dataset.display.cells(str(dataset.ids[row]), dataset.inputs[row])
    return Values(cells=own[:MOST_VALUES], more=max(0, len(own) - MOST_VALUES))
