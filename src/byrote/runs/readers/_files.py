"""Files that others wrote: plain arrays are read, and nothing is ever unpickled."""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from jaxtyping import Shaped
from numpy.lib.npyio import NpzFile

from byrote.data.npz import LARGEST_EXPANSION, SLACK, read_header
from byrote.data.room import refuse_beyond_memory
from byrote.errors import CHECK_THE_PATH, UNREADABLE, BadInput

#: Kinds of plain arrays: truth values, whole numbers, floating-point numbers, texts.
PLAIN = "biufSU"
CONVERT = (
    "copy it again where it is damaged. byrote unpickles nothing, because a pickle can run any code; where the file is "
    "pickled and you trust it, load it yourself and save plain arrays with np.save or np.savez."
)


def read_array(path: Path) -> Shaped[np.ndarray, "..."]:
    """The array of an `.npy` file.

    Raises:
        BadInput: the file is missing, pickled, damaged, or holds several arrays.
    """
    with _refusing(path), path.open("rb") as file:
        _refuse_foreign(file, path)
        _refuse_false_size(file, path.stat().st_size, path)
        loaded = np.load(file, allow_pickle=False)
        if isinstance(loaded, NpzFile):
            raise BadInput(
                f"The file {str(path)!r} holds several arrays where one is wanted.",
                hint="save the one array by itself, with np.save.",
            )
        return _plain(loaded)


def names_in(path: Path) -> tuple[str, ...]:
    """The names of the arrays of an `.npz` file.

    Raises:
        BadInput: see `read_arrays`.
    """
    with _archive(path) as archive:
        return tuple(archive.files)


def read_arrays(path: Path, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Arrays of an `.npz` file by name.

    Raises:
        BadInput: the file is missing, pickled, damaged, holds a single array, or lacks one of the names.
    """
    with _archive(path) as archive:
        missing = [name for name in names if name not in archive.files]
        if missing:
            raise BadInput(
                f"The file {str(path)!r} holds no array {', '.join(map(repr, missing))}; it holds "
                f"{', '.join(map(repr, sorted(archive.files)[:10])) or 'none'}.",
                hint="save the arrays under these names with np.savez, or check that the format named is the file's.",
            )
        return {name: _member(archive, name, path) for name in names}


def _member(archive: NpzFile, name: str, path: Path) -> Shaped[np.ndarray, "..."]:
    """An array of an archive, once its own header and its size agree."""
    packed = archive.zip
    assert packed is not None
    info = packed.getinfo(name if name in packed.namelist() else f"{name}.npy")
    if info.file_size > info.compress_size * LARGEST_EXPANSION + SLACK:
        raise ValueError(f"the array {name!r} declares more bytes than it can hold")
    with packed.open(info) as stream:
        _refuse_false_size(stream, info.file_size, path)
    return _plain(archive[name])


def _refuse_foreign(stream: Any, path: Path) -> None:
    """Refuse what is neither NumPy's nor, which NumPy says itself, a pickle or empty.

    Raises:
        BadInput: it is such.
    """
    start = stream.read(6)
    stream.seek(0)
    if start and not start.startswith((np.lib.format.MAGIC_PREFIX[: len(start)], b"PK", b"\x80")):
        raise BadInput(
            f"The file {str(path)!r} is not a file of NumPy arrays (.npy, .npz).",
            hint="the format that is read is one of such files; `byrote audit` takes tables and data of your own.",
        )


def _refuse_false_size(stream: Any, size: int, path: Path) -> None:
    """Refuse an .npy stream whose header declares more than there is, before NumPy makes room for it."""
    start = stream.read(6)
    stream.seek(0)
    if start != np.lib.format.MAGIC_PREFIX:
        return  # NumPy says what it is instead
    shape, _, dtype = read_header(stream)
    declared = math.prod(shape) * dtype.itemsize
    if declared > size:
        raise ValueError(f"its header declares {declared} bytes, more than there are")
    refuse_beyond_memory(f"The file {str(path)!r}", declared)
    stream.seek(0)


def _plain(array: Any) -> Shaped[np.ndarray, "..."]:
    """The array, of numbers or texts.

    Raises:
        ValueError: it holds anything else.
    """
    if not isinstance(array, np.ndarray) or array.dtype.kind not in PLAIN:
        raise ValueError(f"it holds {getattr(array, 'dtype', 'something')} instead of numbers or texts")
    return array


@contextmanager
def _archive(path: Path) -> Iterator[NpzFile]:
    with _refusing(path), path.open("rb") as file:
        _refuse_foreign(file, path)
        loaded = np.load(file, allow_pickle=False)
        if not isinstance(loaded, NpzFile):
            raise BadInput(
                f"The file {str(path)!r} holds one array where an .npz with several is wanted.",
                hint="save the arrays by name: np.savez(path, name=array, …).",
            )
        with loaded:
            yield loaded


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise BadInput(f"There is no file {str(path)!r}.", hint=CHECK_THE_PATH) from None
    except OSError as error:
        raise BadInput(f"The file {str(path)!r} cannot be read: {error.strerror or error}.", hint=UNREADABLE) from None
    # a spoiled header may name a compression that zipfile does not know: NotImplementedError
    except (ValueError, EOFError, KeyError, NotImplementedError, RuntimeError, BadZipFile, zlib.error) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise BadInput(
            f"The file {str(path)!r} cannot be read as plain NumPy arrays: {reason}.", hint=CONVERT
        ) from None


def natural(path: Path) -> tuple[tuple[int, int | str], ...]:
    """A sorting key that puts `run-2` before `run-10`.

    Example:
        >>> sorted([Path("run-10"), Path("run-2")], key=natural)[0].name
        'run-2'
    """
    parts = re.split(r"(\d+)", str(path))
    return tuple((0, int(part)) if part.isdigit() else (1, part) for part in parts)


def text(names: Shaped[np.ndarray, " example"]) -> tuple[str, ...]:
    """File names, which NumPy may hold as bytes, as text."""
    return tuple(name.decode() if isinstance(name, bytes) else str(name) for name in names.tolist())
