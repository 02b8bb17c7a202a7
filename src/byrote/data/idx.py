"""The idx format of MNIST and its relatives: a magic number, big-endian sizes, then values; often in gzip."""

from __future__ import annotations

import gzip
import math
import zlib
from io import BufferedIOBase
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Shaped

from byrote.data.room import refuse_beyond_memory
from byrote.errors import CHECK_THE_PATH, UNREADABLE, BadInput

DTYPES: Final = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MOST_AXES: Final = 8
#: Deflate cannot expand further than this, so a larger claim is false before a byte is unpacked.
LARGEST_EXPANSION: Final = 1032
_STEP: Final = 1 << 20


def read_idx(path: Path | str) -> Shaped[np.ndarray, "..."]:
    """The array of an idx file, packed or not (told by content, not by name), in native byte order.

    No more is read than the header declares, and one byte: that one must not be there.

    Raises:
        BadInput: the file is missing, truncated, damaged, longer than it says, or something else altogether.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            if not packed:
                return _read(raw, path, at_most=size)
            with gzip.GzipFile(fileobj=raw) as unpacked:
                return _read(unpacked, path, at_most=size * LARGEST_EXPANSION)
    except FileNotFoundError:
        raise BadInput(f"There is no file {str(path)!r}.", hint=CHECK_THE_PATH) from None
    except EOFError:
        raise _truncated(path, "its gzip stream ends early") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise BadInput(
            f"The file {str(path)!r} is damaged: its gzip stream cannot be unpacked ({error}).", hint=COPY_AGAIN
        ) from None
    except OSError as error:
        raise BadInput(f"The file {str(path)!r} cannot be read: {error.strerror or error}.", hint=UNREADABLE) from None


#: What to do about a file that is not as its header says.
COPY_AGAIN = "copy or download the file again, and compare its size with that of the original."
NO_IDX = "give the idx file as it was published, such as train-images-idx3-ubyte.gz."


def _truncated(path: Path, detail: str) -> BadInput:
    return BadInput(f"The file {str(path)!r} is truncated: {detail}.", hint=COPY_AGAIN)


def _read(stream: BufferedIOBase, path: Path, *, at_most: int) -> Shaped[np.ndarray, "..."]:
    magic = stream.read(4)
    if magic[:2] != b"\x00\x00"[: len(magic[:2])]:
        raise BadInput(
            f"The file {str(path)!r} is not an idx file: it begins with {magic!r} instead of two zero bytes.",
            hint=NO_IDX,
        )
    if len(magic) < 4:
        raise _truncated(path, f"it holds {len(magic)} bytes, too few for a header")
    code, axes = magic[2], magic[3]
    if code not in DTYPES:
        valid = ", ".join(f"0x{one:02x}" for one in sorted(DTYPES))
        raise BadInput(f"The file {str(path)!r} has the unknown idx type 0x{code:02x}.", hint=f"the types are {valid}.")
    if not 1 <= axes <= MOST_AXES:
        raise BadInput(f"The file {str(path)!r} must have 1 to {MOST_AXES} axes. Its header says {axes}.", hint=NO_IDX)
    header = stream.read(4 * axes)
    if len(header) < 4 * axes:
        raise _truncated(path, "it ends inside its header")
    shape = tuple(int(side) for side in np.frombuffer(header, ">u4"))
    if 0 in shape:
        raise BadInput(f"The file {str(path)!r} is empty: its header says {_times(shape)}.", hint=NO_IDX)
    dtype = np.dtype(DTYPES[code])
    declared = math.prod(shape) * dtype.itemsize
    if declared <= at_most:
        refuse_beyond_memory(f"The file {str(path)!r}", declared)
    content = _content(stream, declared) if declared <= at_most else b""
    if len(content) < declared:
        raise _truncated(path, f"its header says {_times(shape)}, {declared} bytes, and fewer follow")
    if stream.read(1):
        raise BadInput(
            f"The file {str(path)!r} goes on after the {declared} bytes that its header declares.", hint=COPY_AGAIN
        )
    return np.frombuffer(content, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def _times(shape: tuple[int, ...]) -> str:
    return " × ".join(str(side) for side in shape)


def _content(stream: BufferedIOBase, declared: int) -> bytearray:
    content = bytearray()
    while len(content) < declared:
        piece = stream.read(min(_STEP, declared - len(content)))
        if not piece:
            break
        content += piece
    return content
