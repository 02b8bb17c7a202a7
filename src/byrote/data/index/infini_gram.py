"""A suffix array on disk, where memory does not hold one: infini-gram sorts it, and it is read where it lies."""

from __future__ import annotations

import hashlib
import math
import mmap
import os
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from byrote.data.index.joined import Joined
from byrote.data.index.suffix_array import SuffixArray
from byrote.errors import BadInput

DATA, STARTS, TABLE, DIGEST, BEGUN = "tokenized.0", "offset.0", "table.0", "sha256", "sha256.begun"
GIGABYTES = 4
#: Parts are sorted side by side with the next 100,000 bytes each; parts not much longer than that come out wrong.
PART_BYTES = 1_000_000
#: So many neighbours in a new order are compared.
CHECKED = 10_000


@dataclass(frozen=True, eq=False)
class OnDisk:
    """An order that is a file of little-endian numbers of `size` bytes."""

    table: mmap.mmap
    size: int

    def __len__(self) -> int:
        return len(self.table) // self.size

    def __getitem__(self, rank: int, /) -> int:
        return int.from_bytes(self.table[rank * self.size : (rank + 1) * self.size], "little")

    def range(self, low: int, high: int) -> Int64[np.ndarray, " hit"]:
        """The positions of ranks `low` up to `high`."""
        rows = np.frombuffer(self.table[low * self.size : high * self.size], np.uint8).reshape(-1, self.size)
        wide = np.zeros((len(rows), 8), np.uint8)
        wide[:, : self.size] = rows
        return wide.view("<i8")[:, 0].astype(np.int64)


def infini_gram(joined: Joined, folder: Path) -> SuffixArray:
    """Sort the suffixes in a folder, or go on with what stands there if it is of the same documents.

    Source: Liu et al. 2024, arXiv:2401.17377.

    Raises:
        BadInput: the package infini-gram is missing or fails, the documents are of tokens, or the folder holds others.
    """
    if joined.width != 1:
        raise BadInput(
            "An index on disk takes texts only, and these documents are tokens.",
            hint="leave out the folder: an index of tokens is kept in memory.",
        )
    if not joined.documents:
        raise BadInput(
            "An index on disk needs documents, and the corpus holds none.",
            hint="give a corpus of at least one document, or leave out the folder.",
        )
    digest = hashlib.sha256(joined.data).hexdigest()
    folder = folder.resolve()
    done, begun = folder / DIGEST, folder / BEGUN
    if done.exists():
        if done.read_text() != digest:
            raise BadInput(
                f"The folder {str(folder)!r} holds the index of another corpus.", hint="give another folder."
            )
        return _opened(joined, folder)
    if begun.exists() and begun.read_text() == digest:
        (folder / TABLE).unlink(missing_ok=True)
    _refuse_unready(folder)
    folder.mkdir(parents=True, exist_ok=True)
    begun.write_text(digest)
    _sort(joined, folder)
    index = _opened(joined, folder)
    _refuse_unsorted(index, folder)
    begun.replace(done)
    return index


def width(size: int) -> int:
    """Bytes of each position in a table over so many bytes.

    Example:
        >>> width(256), width(257)
        (1, 2)
    """
    return math.ceil(math.log2(size) / 8)


def _opened(joined: Joined, folder: Path) -> SuffixArray:
    data, table = (_mapped(folder / name) for name in (DATA, TABLE))
    on_disk = Joined(data=data, starts=joined.starts, width=1)
    return SuffixArray(on_disk, OnDisk(table, width(len(data))))


def _refuse_unready(folder: Path) -> None:
    if find_spec("infini_gram") is None:
        raise BadInput(
            "A suffix array on disk needs the package infini-gram.",
            hint="pip install 'byrote[infini-gram]'; it runs on Linux with an x86 processor.",
        )
    if (folder / TABLE).exists():
        raise BadInput(f"The folder {str(folder)!r} holds an index that is not ours.", hint="give another folder.")


def _sort(joined: Joined, folder: Path) -> None:
    size = len(joined.data)
    (folder / DATA).write_bytes(joined.data)
    (joined.starts[:-1] - 1).astype("<u8").tofile(folder / STARTS)
    place = ["--data_dir", str(folder), "--save_dir", str(folder), "--token_dtype", "u8"]
    jobs = max(1, min(os.cpu_count() or 1, size // PART_BYTES))
    effort = ["--cpus", str(jobs), "--mem", str(GIGABYTES), "--ulimit", str(_open_files())]
    command = [sys.executable, "-m", "infini_gram.indexing", *place, *effort]
    sorted_ = subprocess.run(command, capture_output=True, text=True, check=False)
    table = folder / TABLE
    if sorted_.returncode or not table.exists() or table.stat().st_size != width(size) * size:
        last = (sorted_.stderr.strip() or sorted_.stdout.strip()).splitlines()[-1:]
        raise BadInput(
            f"infini-gram could not sort the corpus in {str(folder)!r}: {' '.join(last)}",
            hint="see that the disk has room; kind='suffix array' sorts in memory.",
        )


def _refuse_unsorted(index: SuffixArray, folder: Path) -> None:
    """Compare neighbours: all of a short order, and of a long one some, drawn with a fixed seed."""
    pairs = len(index.order) - 1
    ranks = np.arange(pairs) if pairs <= CHECKED else np.random.default_rng(0).integers(0, pairs, CHECKED)
    for rank in ranks.tolist():
        one, other = (int(index.order[near]) for near in (rank, rank + 1))
        if one == other or not _in_order(index.joined.data, one, other):
            raise BadInput(
                f"infini-gram sorted the corpus in {str(folder)!r} wrongly: ranks {rank} and {rank + 1} are out "
                "of order.",
                hint="repeated texts of over 100,000 bytes may do that: remove duplicates, or kind='suffix array'.",
            )


def _in_order(data: bytes | mmap.mmap, one: int, other: int) -> bool:
    step = 256
    while data[one : one + step] == data[other : other + step]:
        one, other, step = one + step, other + step, 2 * step
    return data[one : one + step] < data[other : other + step]


def _mapped(path: Path) -> mmap.mmap:
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _open_files() -> int:
    import resource

    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]
