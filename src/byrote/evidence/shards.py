"""Shards: safetensors files that are written whole, once, with a checksum. A shard that exists is complete."""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from byrote.errors import BadInput, DamagedShard, NotEnoughRoom, NotWritable

SCHEMA_VERSION = "1"
#: The entry of a shard's metadata that holds the header's words as JSON.
HEADER = "byrote"
#: The types of columns by their names in a shard.
_TYPES: Final = {
    **{f"{letter.upper()}{8 * size}": np.dtype(f"<{letter}{size}") for letter in "iu" for size in (1, 2, 4, 8)},
    **{f"F{8 * size}": np.dtype(f"<f{size}") for size in (2, 4, 8)},
    "BOOL": np.dtype(bool),
}
#: So much of a file's name stands in that of its half-written form, which must not be too long for the system.
LETTERS = 40
_HINT = (
    "an audit's command, run again, finds what is damaged and makes that alone anew; restore any other run from a copy."
)


def write_bytes(path: Path, content: bytes) -> None:
    """Bring a file into being in one piece: temporary name, fsync, rename, fsync of the folder.

    Raises:
        NotEnoughRoom: the disk is full; nothing is left of the file.
        NotWritable: the system lets nobody write there, or a name is too long.
    """
    try:
        _write_bytes(path, content)
    except OSError as error:
        if error.errno is None:
            raise  # no refusal of the system's
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NotEnoughRoom(
                f"The disk is full: {len(content):,} bytes of {str(path)!r} could not be written.",
                hint="make room; what is finished is kept, and the same command goes on from there.",
            ) from error
        raise NotWritable(
            f"The file {str(path)!r} cannot be written: {error.strerror or error}.",
            hint="name a shorter place."
            if error.errno == errno.ENAMETOOLONG
            else "name a place that you may write to, or copy the folder to one.",
        ) from error


def _write_bytes(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name[:LETTERS]}.{secrets.token_hex(4)}.part")
    # the system takes the umask off these permissions, which it does not of those of `tempfile`
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def checksum(columns: Mapping[str, np.ndarray], header: Mapping[str, str]) -> str:
    """sha256 over names, dtypes, shapes, content and header."""
    digest = hashlib.sha256(json.dumps(sorted(header.items())).encode())
    for name in sorted(columns):
        array = _plain(columns[name])
        digest.update(f"{name}|{array.dtype}|{array.shape}|".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _plain(array: np.ndarray) -> np.ndarray:
    """The array in C order and little-endian, of whatever shape."""
    return np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")


def write_shard(path: Path, columns: Mapping[str, np.ndarray], header: Mapping[str, str]) -> None:
    """Write named arrays with a header of words; the schema version and the checksum join the header."""
    arrays = {name: _plain(array) for name, array in columns.items()}
    full = {**header, "schema": SCHEMA_VERSION}
    words = json.dumps({**full, "checksum": checksum(arrays, full)}, sort_keys=True)
    # one entry: safetensors writes several in an order that changes from call to call
    write_bytes(path, save(arrays, {HEADER: words}))


def read_shard(path: Path) -> dict[str, np.ndarray]:
    """All arrays of a shard.

    Raises:
        DamagedShard: it is missing, cut, foreign, or its content does not fit its checksum.
        BadInput: a newer version of byrote wrote it.
    """
    try:
        with safe_open(path, framework="numpy") as shard:
            header = _header(shard.metadata())
            arrays = {name: shard.get_tensor(name) for name in shard.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedShard(f"The shard {str(path)!r} cannot be read: {error}.", hint=_HINT) from error
    if header.pop("checksum", None) != checksum(arrays, header):
        raise DamagedShard(f"The content of the shard {str(path)!r} does not fit its checksum.", hint=_HINT)
    refuse_newer("shard", path, header.get("schema"))
    return arrays


def refuse_newer(what: str, path: Path, version: str | None) -> None:
    """Refuse a file of another schema version; what says none is of version 1, as some of byrote 0.1.0 are.

    Raises:
        BadInput: it is of another version.
    """
    if version is not None and version != SCHEMA_VERSION:
        raise BadInput(
            f"The {what} {str(path)!r} has schema version {str(version)[:20]!r}; this byrote reads version "
            f"{SCHEMA_VERSION!r}.",
            hint="read it with the version of byrote that wrote it, or a newer one.",
        )


def read_header(path: Path) -> dict[str, str]:
    """The words in a shard's header, of a shard that was verified before."""
    with safe_open(path, framework="numpy") as shard:
        return _header(shard.metadata())


def _header(metadata: Mapping[str, str] | None) -> dict[str, str]:
    words = json.loads((metadata or {}).get(HEADER, "{}"))
    if not isinstance(words, dict):
        raise ValueError(f"the entry {HEADER!r} of its header is no table")  # noqa: TRY004 - a file's fault
    return words


@dataclass(frozen=True, slots=True)
class Stored:
    """Where in its file a column of a shard lies."""

    position: int
    dtype: np.dtype
    shape: tuple[int, ...]


def stored(path: Path) -> dict[str, Stored]:
    """The columns of a shard that was verified before, but those of types that NumPy lacks."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        entries = json.loads(file.read(length))
    return {
        name: Stored(8 + length + entry["data_offsets"][0], _TYPES[entry["dtype"]], tuple(entry["shape"]))
        for name, entry in entries.items()
        if name != "__metadata__" and entry["dtype"] in _TYPES
    }


def read_rows(path: Path, column: Stored, examples: slice) -> np.ndarray:
    """A block of examples, along the first axis, of a column of a shard verified before.

    Reading a block of 2,000 models opens 2,000 files, which takes a tenth of the time that it takes to open them as
    shards.
    """
    start, stop, _ = examples.indices(column.shape[0])
    count, row = max(0, stop - start), math.prod(column.shape[1:])
    size = row * column.dtype.itemsize
    file = os.open(path, os.O_RDONLY)
    try:
        content = _read_all(file, count * size, column.position + start * size)
    finally:
        os.close(file)
    return np.frombuffer(content, column.dtype, count * row).reshape(count, *column.shape[1:])


def _read_all(file: int, size: int, position: int) -> bytes:
    """So many bytes from that position on, or fewer where the file ends; one call gives less than 2 GiB on Linux."""
    parts: list[bytes] = []
    while size and (part := os.pread(file, size, position)):
        parts.append(part)
        size, position = size - len(part), position + len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def read_columns(path: Path, names: Iterable[str], examples: slice, axis: int | None) -> dict[str, np.ndarray]:
    """A block of examples, along this axis, of a shard verified before; whole arrays where there is no such axis."""
    with safe_open(path, framework="numpy") as shard:
        cut = () if axis is None else (slice(None),) * axis + (examples,)
        return {name: shard.get_slice(name)[cut] if cut else shard.get_tensor(name) for name in names}
