"""Arrays that stay in their file: which are, and how another process finds the same numbers again."""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped


@dataclass(frozen=True)
class Place:
    """Where in a file an array lies."""

    file: str
    position: int
    dtype: str
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def opened(self) -> Shaped[np.ndarray, "..."]:
        """The array, read-only and not in memory."""
        whole = np.memmap(self.file, np.uint8, "r")
        return np.ndarray.__new__(np.memmap, self.shape, self.dtype, whole, self.position, self.strides)


def place_of(array: Shaped[np.ndarray, "..."]) -> Place | None:
    """Where the array lies, or a view of it; None where it is in memory.

    Example:
        >>> place_of(np.zeros(3)) is None
        True
    """
    root: Any = array
    while isinstance(root.base, np.ndarray):
        root = root.base
    file = getattr(root, "filename", None)
    if file is None or not isinstance(root.base, mmap.mmap):
        return None
    start: int = getattr(root, "offset", 0)
    away = array.__array_interface__["data"][0] - root.__array_interface__["data"][0]
    return Place(str(Path(file).resolve()), start + away, array.dtype.str, array.shape, array.strides)


def held_bytes(array: Shaped[np.ndarray, "..."]) -> int:
    """Bytes of memory that the array takes, which is nothing where it stays in its file."""
    return 0 if place_of(array) is not None else array.nbytes


def created(path: Path, shape: tuple[int, ...]) -> Shaped[np.ndarray, "..."]:
    """A new .npy file of float32, to be filled."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return np.lib.format.open_memmap(path, "w+", np.float32, shape)


def opened(path: Path) -> Shaped[np.ndarray, "..."]:
    """A .npy file's array, read-only and not in memory; nothing in it is ever unpickled."""
    array: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    return array
