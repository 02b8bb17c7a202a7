"""One value of somebody else's library as a NumPy array: tensors, pictures, lists."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Shaped

from byrote.data.mapped import created, opened
from byrote.data.problems import counted
from byrote.errors import BadInput

Layout = Literal["hw", "chw", "hwc"]
SMALLEST_SIDE = 4


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


def one_example(value: Any) -> Float[np.ndarray, "..."]:
    """One input as float32: pictures channel-first in 0..1, uint8 images scaled, other numbers as they are.

    Raises:
        TypeError: it is not an array of numbers.
    """
    if hasattr(value, "getbands"):
        return _picture(value)
    try:
        array = to_numpy(value)
    except ValueError as error:
        raise TypeError(str(error)) from error
    if array.dtype.kind not in "biuf":
        raise TypeError(f"not numbers: {array.dtype.name}")
    if array.dtype == np.uint8 and image_layout(array.shape) is not None:
        return array.astype(np.float32) / np.float32(255)
    return array.astype(np.float32)


def _picture(picture: Any) -> Float[np.ndarray, "channel height width"]:
    gray = {"1": "L", "LA": "L", "La": "L"}
    direct = ("L", "RGB", "F") if not picture.mode.startswith("I") else (picture.mode,)
    mode = gray.get(picture.mode, "RGB")
    pixels = np.asarray(picture if picture.mode in direct else picture.convert(mode))
    largest = {"u1": 255, "u2": 65535}.get(pixels.dtype.str[1:], 1)
    scaled = pixels.astype(np.float32) / np.float32(largest)
    return scaled[None] if scaled.ndim == 2 else np.ascontiguousarray(np.moveaxis(scaled, -1, 0))


def gathered(
    items: Iterable[tuple[Any, Any]], *, count: int, name: str, into: Path | None = None
) -> tuple[Float[np.ndarray, "example ..."], list[Any]]:
    """The inputs of items (input, target) in one float32 array, allocated at the first item, and the targets.

    With `into` the array is that .npy file's, and takes no memory.

    Raises:
        BadInput: an input is no array of numbers, shapes differ, or there are not `count` items.
    """
    inputs: np.ndarray | None = None
    targets: list[Any] = []
    for position, (value, target) in enumerate(items):
        try:
            example = one_example(value)
        except TypeError:
            got = type(value).__name__
            raise BadInput(
                f"Inputs must be arrays of numbers. Example {position} of {name!r} is a {got!r}.",
                hint="let the dataset give arrays or tensors; pictures through a transform, as torchvision's ToTensor.",
            ) from None
        if inputs is None:
            size = (count, *example.shape)
            inputs = np.empty(size, np.float32) if into is None else created(into, size)
        if example.shape != inputs.shape[1:]:
            raise BadInput(
                f"All examples of {name!r} must have one shape. Example 0 has {inputs.shape[1:]} and "
                f"example {position} has {example.shape}.",
                hint="resize or pad them to one shape in the dataset.",
            )
        if position < count:
            inputs[position] = example
        targets.append(scalar(target))
    if inputs is None or len(targets) != count:
        has = counted(count, "example", "examples")
        raise BadInput(
            f"The dataset {name!r} must give as many examples as its length says ({has}). Got {len(targets)}.",
            hint="let the dataset's length and its items agree; a filter must change both.",
        )
    if into is not None:
        if isinstance(inputs, np.memmap):
            inputs.flush()
        return opened(into), targets
    return inputs, targets
