"""Arrays that stay in a file: which do, how another process finds the same numbers again, and where new ones lie.

Inputs are read by row: `array[rows]` of an array in memory and of one in a file are the same to whoever asks. Here is
decided which of the two an array of inputs is.
"""

from __future__ import annotations

import errno
import fcntl
import math
import mmap
import os
import shutil
import stat
import tempfile
import weakref
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Int, Shaped

from byrote.data import room
from byrote.data.blocks import row_blocks
from byrote.errors import BadInput, NotEnoughRoom, NotWritable

#: Inputs that take more than this share of the machine's memory are in a file: a pool's processes share it there.
SHARE: Final = 0.25
_PREFIX: Final = "byrote-inputs-"


@dataclass(frozen=True)
class Place:
    """Where in a file an array lies."""

    file: str
    position: int
    dtype: str
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def opened(self) -> Shaped[np.ndarray, "..."]:
        """The array, read-only and not in memory.

        Raises:
            BadInput: the file is not there, as on another machine.
        """
        if not Path(self.file).is_file():
            raise BadInput(
                f"The inputs are in the file {self.file!r}, which is not on this machine.",
                hint="put it on a path that all machines see; TMPDIR=FOLDER names where byrote puts large inputs.",
            )
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


def created(path: Path, shape: tuple[int, ...], dtype: Any = np.float32) -> Shaped[np.ndarray, "..."]:
    """A new .npy file, to be filled, whose room on the disk is taken at once.

    Raises:
        NotEnoughRoom: the disk has less; nothing is left of the file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    refuse_beyond_disk(path.parent, math.prod(shape) * np.dtype(dtype).itemsize)
    array = np.lib.format.open_memmap(path, "w+", dtype, shape)
    try:
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)  # else a full disk would end the process
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            path.unlink()
            raise _disk_full(path.parent, array.nbytes, 0) from error
        # a file system that reserves nothing
    return array


def opened(path: Path) -> Shaped[np.ndarray, "..."]:
    """A .npy file's array, read-only and not in memory; nothing in it is ever unpickled."""
    array: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    return array


def is_large(size: int) -> bool:
    """Whether so many bytes are better left in a file than in memory."""
    return size > SHARE * room.memory()


def new(shape: tuple[int, ...], dtype: Any = np.float32) -> Shaped[np.ndarray, "..."]:
    """A new array of zeros for inputs: in memory, or in a file where it is large.

    The file is in `scratch_folder()` and goes with the last view of the array, or with the process.

    Raises:
        NotEnoughRoom: the disk has less.
    """
    if not is_large(math.prod(shape) * np.dtype(dtype).itemsize):
        return np.zeros(shape, dtype)
    path, lock = scratch_file(".npy")
    try:
        array = created(path, shape, dtype)
    except BaseException:
        dropped(path, lock)
        raise
    weakref.finalize(array, dropped, path, lock)
    return array


def built(
    shape: tuple[int, ...], dtype: Any, rows_of: Callable[[slice], Shaped[np.ndarray, "row ..."]]
) -> Shaped[np.ndarray, "..."]:
    """A new array whose rows `rows_of` gives, a block at a time."""
    array = new(shape, dtype)
    for rows in row_blocks(array):
        array[rows] = rows_of(rows)
    return array


def taken(
    array: Shaped[np.ndarray, "example ..."], rows: Int[np.ndarray, " chosen"]
) -> Shaped[np.ndarray, "chosen ..."]:
    """The rows of inputs at these positions; of a file they stay there where they follow one another.

    Example:
        >>> taken(np.arange(6).reshape(3, 2), np.array([2, 0])).tolist()
        [[4, 5], [0, 1]]
    """
    if place_of(array) is not None and len(rows) and (np.diff(rows) == 1).all():
        return array[rows[0] : rows[-1] + 1]
    return built((len(rows), *array.shape[1:]), array.dtype, lambda block: array[rows[block]])


def copied(array: Shaped[np.ndarray, "example ..."]) -> Shaped[np.ndarray, "example ..."]:
    """The same inputs, to be changed."""
    return built(array.shape, array.dtype, lambda rows: array[rows])


def joined(
    first: Shaped[np.ndarray, "example ..."], second: Shaped[np.ndarray, "other ..."]
) -> Shaped[np.ndarray, "both ..."]:
    """The rows of both, one after the other, in the type of the first.

    Example:
        >>> joined(np.zeros((1, 2)), np.ones((2, 2))).tolist()
        [[0.0, 0.0], [1.0, 1.0], [1.0, 1.0]]
    """
    array = new((len(first) + len(second), *first.shape[1:]), first.dtype)
    for start, part in ((0, first), (len(first), second)):
        for rows in row_blocks(part):
            array[start + rows.start : start + rows.stop] = part[rows]
    return array


def scratch_folder() -> Path:
    """Where large inputs lie while they are used: TMPDIR, or /var/tmp, which is on a disk where /tmp may be memory."""
    named, usual = os.environ.get("TMPDIR"), Path("/var/tmp")
    return Path(named) if named else usual if usual.is_dir() else Path(tempfile.gettempdir())


def scratch_file(suffix: str) -> tuple[Path, int]:
    """A new empty file there, and the descriptor that holds its lock; what killed processes left is removed first.

    Raises:
        NotWritable: none can be made there.
    """
    folder = scratch_folder()
    try:
        for left in folder.glob(f"{_PREFIX}*"):
            _remove_left(left)
        lock, name = tempfile.mkstemp(prefix=_PREFIX, suffix=suffix, dir=folder)
        fcntl.flock(lock, fcntl.LOCK_EX)
    except OSError as error:
        raise NotWritable(
            f"Inputs too large for memory cannot be written to the folder {str(folder)!r}: {error.strerror or error}.",
            hint="TMPDIR=FOLDER names one that you may write to.",
        ) from error
    return Path(name), lock


def _remove_left(path: Path) -> None:
    """Remove a file of one's own whose process has ended: nobody holds its lock."""
    with suppress(OSError):  # held, or somebody else's, or just gone
        facts = path.lstat()
        if facts.st_uid == os.getuid() and stat.S_ISREG(facts.st_mode):
            with path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()


def dropped(path: Path, lock: int) -> None:
    """Take a scratch file's name away; what is mapped of it stays readable."""
    path.unlink(missing_ok=True)
    os.close(lock)


def refuse_beyond_disk(folder: Path, needed: int) -> None:
    """Refuse more bytes than the disk of a folder has free.

    Raises:
        NotEnoughRoom: they are more.
    """
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise _disk_full(folder, needed, free)


def _disk_full(folder: Path, needed: int, free: int) -> NotEnoughRoom:
    return NotEnoughRoom(
        f"The inputs take {needed / 2**30:,.1f} GiB, which is too much for this machine's memory, and the disk of "
        f"{str(folder)!r} has {free / 2**30:,.1f} free.",
        hint="TMPDIR=FOLDER names a folder on a larger disk; or take fewer or smaller examples.",
    )
