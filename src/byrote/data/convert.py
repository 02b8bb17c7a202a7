"""One value of somebody else's library as a NumPy array: tensors, pictures, lists."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from jaxtyping import Float, Shaped

from byrote.data.inert import inert
from byrote.data.mapped import created, new, opened
from byrote.data.problems import counted
from byrote.errors import BadInput

Layout = Literal["hw", "chw", "hwc"]
SMALLEST_SIDE = 4
#: The largest number of types that say how bright an image can be.
_BRIGHTEST: Final = {"b1": 1.0, "u1": 255.0, "u2": 65535.0}
#: Of files of these formats Pillow's mode I holds numbers of 16 bits.
_SIXTEEN_BITS: Final = ("PNG", "PPM")


def image_layout(shape: tuple[int, ...]) -> Layout | None:
    """How one example of this shape lies as an image; None where it does not look like one.

    Example:
        >>> image_layout((28, 28)), image_layout((3, 32, 32)), image_layout((32, 32, 3)), image_layout((64,))
        ('hw', 'chw', 'hwc', None)
    """
    candidates: tuple[tuple[Layout, bool, tuple[int, ...]], ...] = (
        ("hw", len(shape) == 2, shape),
        ("chw", len(shape) == 3 and shape[0] in (1, 3), shape[1:]),
        ("hwc", len(shape) == 3 and shape[-1] in (1, 3), shape[:2]),
    )
    for layout, possible, sides in candidates:
        if possible and min(sides) >= SMALLEST_SIDE:
            return layout
    return None


def to_numpy(value: Any) -> Shaped[np.ndarray, "..."]:
    """An array as it is, a tensor's data (copied only from another device), anything else by `np.asarray`."""
    if isinstance(value, np.ndarray):
        return value
    if hasattr(value, "detach"):
        tensor = value.detach().cpu()
        try:
            return np.asarray(tensor.numpy())
        except TypeError:  # bfloat16 has no NumPy counterpart
            return np.asarray(tensor.float().numpy())
    return np.asarray(value)


def listed(values: Any) -> Shaped[np.ndarray, "..."]:
    """A column of labels or ids; a plain list keeps its types, so that None and NaN stay visible."""
    if hasattr(values, "dtype"):
        array = to_numpy(values)
        return np.char.decode(array, "utf-8", "replace") if array.dtype.kind == "S" else array
    cells = list(values)
    if any(isinstance(cell, (list, tuple, np.ndarray)) and np.ndim(cell) for cell in cells):
        return np.array(cells, object)
    column = np.empty(len(cells), object)
    column[:] = [scalar(cell) for cell in cells]
    return column


def stacked(targets: list[Any]) -> Any:
    """Targets that are rows of numbers as one table; any others as they are."""
    rows = [to_numpy(one) for one in targets] if targets and np.ndim(targets[0]) == 1 else []
    if rows and all(row.shape == rows[0].shape and row.dtype.kind in "biuf" for row in rows):
        return np.stack(rows)
    return targets


def scalar(value: Any) -> Any:
    """The Python value of a tensor or array with one element; everything else as it is."""
    return (
        value.item() if hasattr(value, "item") and getattr(value, "size", None) is not None and _one(value) else value
    )


def _one(value: Any) -> bool:
    size = value.numel() if hasattr(value, "numel") else value.size
    return bool(size == 1)


def brightest(images: Shaped[np.ndarray, "..."]) -> float:
    """What images are divided by to lie in 0..1: the largest number that their type can hold, or that they need.

    uint8 says 255 and uint16 65535. Of other whole numbers it is the smallest 2ⁿ − 1 that is not below the largest
    of them. It is 1, so that they stay as they are, where they are decimal or some lie below 0.

    Example:
        >>> brightest(np.array([0, 7], np.uint8)), brightest(np.array([0, 250])), brightest(np.array([0.0, 250.0]))
        (255.0, 255.0, 1.0)
    """
    known = _BRIGHTEST.get(images.dtype.str[1:])
    if known is not None:
        return known
    return holding(images) if images.dtype.kind in "iu" and images.size and images.min() >= 0 else 1.0


def holding(numbers: Shaped[np.ndarray, "..."]) -> float:
    """The smallest 2ⁿ − 1 that is not below the largest finite number; at least 1."""
    largest = float(np.max(numbers, where=np.isfinite(numbers), initial=1))
    return float((1 << math.ceil(largest).bit_length()) - 1)


def one_example(value: Any) -> tuple[Float[np.ndarray, "..."], bool]:
    """One input as float32, and whether it is an image of which nothing says how bright it can be.

    Pictures are channel-first. Images of a known range lie in 0..1; other numbers are as they are.

    Raises:
        TypeError: it is not an array of numbers.
        Transparent: it is a picture of one colour without its transparency.
    """
    if hasattr(value, "getbands"):
        return _picture(value)
    try:
        array = to_numpy(value)
    except ValueError as error:
        raise TypeError(str(error)) from error
    if array.dtype.kind not in "biuf":
        raise TypeError(f"not numbers: {array.dtype.name}")
    if array.dtype.kind == "f" or image_layout(array.shape) is None:
        return array.astype(np.float32), False
    known = _BRIGHTEST.get(array.dtype.str[1:])
    return array.astype(np.float32) / np.float32(known or 1), known is None


class Transparent(ValueError):
    """A picture whose content is in its transparency, which is not read."""


#: The mend of such pictures.
OPAQUE: Final = (
    "lay them on a background: Image.alpha_composite(Image.new('RGBA', image.size, 'white'), image.convert('RGBA'))"
)


def _picture(picture: Any) -> tuple[Float[np.ndarray, "channel height width"], bool]:
    gray = {"1": "L", "LA": "L", "La": "L"}
    direct = ("L", "RGB", "F") if not picture.mode.startswith("I") else (picture.mode,)
    mode = gray.get(picture.mode, "RGB")
    pixels = np.asarray(picture if picture.mode in direct else picture.convert(mode))
    if picture.has_transparency_data and _one_colour(pixels) and not _one_colour(_alpha(picture)):
        raise Transparent("it is of one colour without its transparency")
    known = _BRIGHTEST.get(pixels.dtype.str[1:])
    if known is None and picture.mode == "I" and picture.format in _SIXTEEN_BITS:
        known = 65535.0
    scaled = pixels.astype(np.float32) / np.float32(known or 1)
    scaled = scaled[None] if scaled.ndim == 2 else np.ascontiguousarray(np.moveaxis(scaled, -1, 0))
    return scaled, known is None


def _alpha(picture: Any) -> Shaped[np.ndarray, "height width"]:
    return np.asarray(picture.convert("RGBA"))[..., 3]


def _one_colour(pixels: Shaped[np.ndarray, "height width *channel"]) -> bool:
    return bool((pixels == pixels[:1, :1]).all())


def scale_together(inputs: Float[np.ndarray, "example ..."], rows: Sequence[int]) -> float:
    """Divide these images, whose range nothing says, by the smallest 2ⁿ − 1 that holds them all; what that is.

    Where some lie below 0 they stay as they are, and it is 1.
    """
    if not rows or any(inputs[row].min() < 0 for row in rows):
        return 1.0
    by = max(holding(inputs[row]) for row in rows)
    for row in rows:
        inputs[row] /= np.float32(by)
    return by


def unreadable(position: int, name: str, error: Exception) -> BadInput:
    """The refusal of a dataset whose item at this position cannot be had."""
    what = inert((str(error).strip() or "no message").splitlines()[0])[:200].rstrip(".")
    return BadInput(
        f"Item {position} of {name!r}, counted from 0, cannot be read: {type(error).__name__}: {what}.",
        hint=f"see what dataset[{position}] raises by itself; mend the item, or leave it out.",
    )


_PAD: Final = "resize or pad them to one shape in the dataset."
COLOURS: Final = (
    "some are grey and some have colours: bring all to colours, as image.convert('RGB') in the dataset; of a Hugging "
    "Face dataset, dataset.cast_column(column, datasets.Image(mode='RGB'))."
)


def _differ_in_colour(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return len(one) == len(other) == 3 and one[1:] == other[1:] and {one[0], other[0]} == {1, 3}


def gathered(
    items: Iterable[tuple[Any, Any]], *, count: int, name: str, into: Path | None = None
) -> tuple[Float[np.ndarray, "example ..."], list[Any], float]:
    """The inputs of items (input, target) in one float32 array, allocated at the first item, and the targets.

    Last comes what images were divided by whose type says no range; 1 where there are none.

    With `into` the array is that .npy file's, and takes no memory; without, a large one is in a file of the process.

    Raises:
        BadInput: an input is no array of numbers, shapes differ, or there are not `count` items.
    """
    inputs: np.ndarray | None = None
    targets: list[Any] = []
    unknown: list[int] = []
    for position, (value, target) in enumerate(items):
        try:
            example, is_unknown = one_example(value)
        except Transparent as error:
            raise BadInput(f"Example {position} of {name!r} cannot be read: {error}.", hint=f"{OPAQUE}.") from error
        except TypeError:
            got = type(value).__name__
            raise BadInput(
                f"Inputs must be arrays of numbers. Example {position} of {name!r} is a {got!r}.",
                hint="let the dataset give arrays or tensors; pictures through a transform, as torchvision's ToTensor.",
            ) from None
        if inputs is None:
            size = (count, *example.shape)
            inputs = new(size) if into is None else created(into, size)
        if example.shape != inputs.shape[1:]:
            raise BadInput(
                f"All examples of {name!r} must have one shape. Example 0 has {inputs.shape[1:]} and "
                f"example {position} has {example.shape}.",
                hint=COLOURS if _differ_in_colour(inputs.shape[1:], example.shape) else _PAD,
            )
        if position < count:
            inputs[position] = example
            unknown += [position] * is_unknown
        targets.append(scalar(target))
    if inputs is None or len(targets) != count:
        has = counted(count, "example", "examples")
        raise BadInput(
            f"The dataset {name!r} must give as many examples as its length says ({has}). Got {len(targets)}.",
            hint="let the dataset's length and its items agree; a filter must change both.",
        )
    by = scale_together(inputs, unknown)
    if into is not None:
        if isinstance(inputs, np.memmap):
            inputs.flush()
        return opened(into), targets, by
    return inputs, targets, by
