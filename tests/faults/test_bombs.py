"""Small files that unpack to a great deal: they are refused before memory is taken."""

from __future__ import annotations

import gzip
import io
import json
import resource
import subprocess
import sys
import textwrap
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import byrote.data.room as room
from byrote.data.canaries import read_canaries
from byrote.data.corpus import read_corpus
from byrote.data.idx import read_idx
from byrote.data.image_folder import from_image_folder
from byrote.data.npz import from_npz
from byrote.data.table import from_table, read_rows
from byrote.errors import BadInput, ByroteError, NotEnoughRoom
from byrote.evidence.manifest import Manifest
from byrote.evidence.shards import read_shard
from byrote.runs.readers._files import read_array, read_arrays
from faults.foreign import zip_of

MEGABYTE = 2**20
#: What a process may take more than it did before it read a bomb.
ROOM = 300 * MEGABYTE


def header(shape: tuple[int, ...], dtype: str = "<f4") -> bytes:
    """An .npy file's beginning, of any shape."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"shape": shape, "fortran_order": False, "descr": dtype})
    return stream.getvalue()


@pytest.fixture
def small_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of 8 MiB."""
    monkeypatch.setattr(room, "memory", lambda: 8 * MEGABYTE)


@pytest.mark.parametrize("shape", [(10**12,), (2**62, 2), (10**9, 10**9)])
def test_shapes_that_are_not_there(tmp_path: Path, shape: tuple[int, ...]) -> None:
    (tmp_path / "a.npy").write_bytes(header(shape) + bytes(100))
    zip_of(tmp_path / "a.npz", {"a.npy": header(shape) + bytes(100)})
    with pytest.raises(BadInput, match="more than there are"):
        read_array(tmp_path / "a.npy")
    with pytest.raises(BadInput, match="more than there are"):
        read_arrays(tmp_path / "a.npz", ("a",))
    zip_of(tmp_path / "b.npz", {"inputs.npy": header(shape) + bytes(100), "targets.npy": header((2,)) + bytes(8)})
    with pytest.raises(BadInput):
        from_npz(tmp_path / "b.npz")


def test_arrays_that_unpack_beyond_memory(tmp_path: Path, small_machine: None) -> None:
    whole = header((4 * MEGABYTE,)) + bytes(16 * MEGABYTE)
    zip_of(tmp_path / "a.npz", {"inputs.npy": whole, "targets.npy": header((2,)) + bytes(8)})
    assert (tmp_path / "a.npz").stat().st_size < 100_000
    with pytest.raises(NotEnoughRoom, match="this machine has"):
        from_npz(tmp_path / "a.npz")
    with pytest.raises(NotEnoughRoom, match="this machine has"):
        read_arrays(tmp_path / "a.npz", ("inputs",))
    content = b"\x00\x00\x08\x01" + (16 * MEGABYTE).to_bytes(4, "big") + bytes(16 * MEGABYTE)
    (tmp_path / "a.gz").write_bytes(gzip.compress(content))
    with pytest.raises(NotEnoughRoom, match="this machine has"):
        read_idx(tmp_path / "a.gz")


def test_tables_that_unpack_beyond_memory(tmp_path: Path, small_machine: None) -> None:
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"a,label\n" + b"1,x\n" * (5 * MEGABYTE)))
    with pytest.raises(NotEnoughRoom, match="this machine has"):
        from_table(tmp_path / "a.csv.gz", target="label")
    many = {"a": pa.nulls(3 * MEGABYTE, pa.float64()), "label": pa.nulls(3 * MEGABYTE, pa.int8())}
    pq.write_table(pa.table(many), tmp_path / "a.parquet")
    assert (tmp_path / "a.parquet").stat().st_size < 100_000
    with pytest.raises(NotEnoughRoom, match="this machine has"):
        from_table(tmp_path / "a.parquet", target="label")


def repeated(value: Any, rows: int = 20_000) -> pa.Array:
    """A column whose rows are one value, held once."""
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array([value])).cast(
        pa.dictionary(pa.int32(), pa.array([value]).type)
    )


LONG = "long " * 2000
DELTA = {"use_dictionary": False, "column_encoding": {"a": "DELTA_BYTE_ARRAY"}}
#: Columns of which a file holds little and memory much, and how they are written.
REPEATING: dict[str, tuple[Callable[[], pa.Array], dict[str, Any]]] = {
    "texts by their number": (lambda: repeated(LONG), {"store_schema": False}),
    "texts by their number, said to be such": (lambda: repeated(LONG), {}),
    "texts by their number in many groups": (lambda: repeated(LONG), {"row_group_size": 1000}),
    "bytes by their number": (lambda: repeated(LONG.encode()), {"store_schema": False}),
    "texts by their beginnings": (lambda: pa.array([LONG] * 2000), DELTA),
    "rows of texts": (lambda: pa.array([[LONG] * 10] * 500), {}),
    "a single row of texts": (lambda: pa.array([[LONG] * 2000, []]), {}),
    "records of texts": (lambda: pa.array([{"b": {"c": LONG}}] * 2000), {}),
    "maps of texts": (lambda: pa.array([[("k", LONG)]] * 2000, pa.map_(pa.string(), pa.string())), {}),
    "a single row of numbers": (lambda: pa.array([[0] * (3 * MEGABYTE), []]), {}),
    "wide bytes": (lambda: pa.array([b"x" * 10_000] * 2000, pa.binary(10_000)), {}),
}


@pytest.mark.parametrize("kind", REPEATING)
def test_parquet_that_expands_beyond_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_machine: None, kind: str
) -> None:
    column, options = REPEATING[kind]
    made = column()
    table = pa.table({"a": made, "text": made, "label": pa.array(np.arange(len(made)) % 2)})
    pq.write_table(table, tmp_path / "a.parquet", **options | {"compression": "zstd"})
    assert (tmp_path / "a.parquet").stat().st_size < 200_000
    del table, made
    pool = pa.proxy_memory_pool(pa.default_memory_pool())
    usual = pa.default_memory_pool()
    pa.set_memory_pool(pool)
    try:
        with pytest.raises(NotEnoughRoom, match="this machine has"):
            from_table(tmp_path / "a.parquet", target="label")
        with pytest.raises(NotEnoughRoom, match=r"corpus .* this machine has"):
            read_corpus(tmp_path / "a.parquet", column="text")
    finally:
        pa.set_memory_pool(usual)
    assert pool.max_memory() < 32 * MEGABYTE


def test_columns_of_a_corpus_that_are_not_read_may_be_large(tmp_path: Path, small_machine: None) -> None:
    pq.write_table(pa.table({"text": ["to be", "or not"] * 5, "b": [LONG * 100] * 10}), tmp_path / "a.parquet")
    assert len(read_corpus(tmp_path / "a.parquet")) == 10


def test_what_is_measured_is_what_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table is read where memory is a little larger than it is, and not where it is a little smaller."""
    columns = {name: make() for name, (make, options) in REPEATING.items() if not options and "said" not in name}
    shortest = min(map(len, columns.values()))
    table = pa.table(
        {name: column[:shortest] for name, column in columns.items()} | {"label": [0, 1] * (shortest // 2)}
    )
    pq.write_table(table, tmp_path / "a.parquet")
    monkeypatch.setattr(room, "memory", lambda: table.nbytes * 11 // 10)
    assert len(read_rows(tmp_path / "a.parquet")) == shortest
    monkeypatch.setattr(room, "memory", lambda: table.nbytes * 9 // 10)
    with pytest.raises(NotEnoughRoom):
        read_rows(tmp_path / "a.parquet")


def test_a_single_long_id(tmp_path: Path, small_machine: None) -> None:
    """In an array of texts each takes as much room as the longest."""
    rows = "".join(f"{row},{row % 7},{row % 2}\n" for row in range(500))
    (tmp_path / "a.csv").write_text("id,a,label\n" + "x" * 10_000 + ",1,0\n" + rows)
    with pytest.raises(NotEnoughRoom, match="column 'id'"):
        from_table(tmp_path / "a.csv", target="label", id="id")
    lines = [{"id": "x" * 10_000, "text": "a"}, *({"id": row, "text": "b"} for row in range(500))]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, lines)))
    with pytest.raises(NotEnoughRoom, match="ids of 'a'"):
        read_corpus(tmp_path / "a.jsonl")


DEEP = "[" * 100_000


def test_json_that_is_deeper_than_the_stack(tmp_path: Path) -> None:
    for name, read in {
        "a.jsonl": read_corpus,
        "canaries.json": read_canaries,
        "manifest.json": lambda path: Manifest.read(path.parent),
    }.items():
        (tmp_path / name).write_text(DEEP)
        with pytest.raises(BadInput):
            read(tmp_path / name)


def test_a_header_that_is_deeper_than_the_parser(tmp_path: Path) -> None:
    for text in ("(" * 5000, "-" * 9000 + "1", "{'descr': " + "[" * 3000):
        stream = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()
        (tmp_path / "a.npy").write_bytes(stream)
        with pytest.raises(ByroteError):
            read_array(tmp_path / "a.npy")


def png(width: int, height: int, extra: bytes = b"") -> bytes:
    """A grey picture of these sides whose pixels are zeros."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")

    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x00\x00\x00\x00"
    rows = zlib.compress(bytes((width + 1) * min(height, 1000)), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_pictures_of_too_many_pixels_and_of_other_formats(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        Image.new("L", (8, 8)).save(tmp_path / "pets" / name / "1.png")
    (tmp_path / "pets" / "cat" / "2.png").write_bytes(png(8_000, 8_000))
    with pytest.raises(BadInput, match="more than 50,000,000"):
        from_image_folder(tmp_path / "pets", size=8)
    # a PostScript program in a picture's clothes: its decoder would run Ghostscript
    (tmp_path / "pets" / "cat" / "2.png").write_bytes(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n"
    )
    with pytest.raises(BadInput, match="no image that is known"):
        from_image_folder(tmp_path / "pets", size=8)


def test_a_shard_whose_header_lies(tmp_path: Path) -> None:
    for content in (
        {"a": {"dtype": "F32", "shape": [10**12], "data_offsets": [0, 4 * 10**12]}},
        {"a": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}},
        {"a": {"dtype": "F8_E4M3", "shape": [4], "data_offsets": [0, 4]}},
        {"__metadata__": {"byrote": DEEP}, "a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}},
    ):
        text = json.dumps(content).encode()
        (tmp_path / "a.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + bytes(4))
        with pytest.raises(ByroteError):
            read_shard(tmp_path / "a.safetensors")
    (tmp_path / "a.safetensors").write_bytes((2**40).to_bytes(8, "little") + b"{}")
    with pytest.raises(ByroteError):
        read_shard(tmp_path / "a.safetensors")


CHILD = """
import resource, sys
from pathlib import Path
from byrote.errors import ByroteError
from byrote.data.corpus import read_corpus
from byrote.data.npz import from_npz
from byrote.data.table import from_table
from byrote.data.image_folder import from_image_folder
from byrote.data.idx import read_idx
from byrote.runs.readers._files import read_arrays, read_array
import byrote.data.room as room
room.memory = lambda: 64 * 2**20
folder = Path(sys.argv[1])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for name, read in {
    "a.npz": from_npz, "b.npz": lambda path: read_arrays(path, ("inputs",)), "a.npy": read_array, "a.gz": read_idx,
    "a.csv.gz": lambda path: from_table(path, target="label"),
    **{name: lambda path: from_table(path, target="label") for name in ("a.parquet", "b.parquet", "c.parquet")},
    "d.parquet": read_corpus,
    "pets": lambda path: from_image_folder(path, size=8),
}.items():
    try:
        read(folder / name)
    except ByroteError as error:
        print(name, error.message)
    else:
        sys.exit(name + " was read")
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(name, grown // 1024, "MiB more")
print("grown", grown * 1024)
"""


@pytest.mark.slow
def test_bombs_do_not_make_a_process_grow(tmp_path: Path) -> None:
    """Files of some hundred kilobytes that unpack to a gigabyte each, read in a process whose memory is watched."""
    many = 2**28
    whole = header((many,)) + bytes(many * 4)
    for name in ("a.npz", "b.npz"):
        zip_of(tmp_path / name, {"inputs.npy": whole, "targets.npy": header((2,)) + bytes(8)})
    del whole
    (tmp_path / "a.npy").write_bytes(header((many,)) + bytes(100))
    content = b"\x00\x00\x08\x01" + (2**30).to_bytes(4, "big")
    (tmp_path / "a.gz").write_bytes(gzip.compress(content + bytes(2**30)))
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"a,label\n" + b"1,x\n" * many))
    nulls = {"a": pa.nulls(many, pa.float64()), "label": pa.nulls(many, pa.int8())}
    pq.write_table(pa.table(nulls), tmp_path / "a.parquet")
    for name, options in {"b": {"store_schema": False}, "c": DELTA, "d": {}}.items():
        texts = repeated("x" * 100_000, 2**14) if name != "c" else pa.array(["x" * 1_000_000] * 1000)
        labels = pa.array(np.arange(len(texts)) % 2)
        pq.write_table(pa.table({"a": texts, "text": texts, "label": labels}), tmp_path / f"{name}.parquet", **options)
        del texts
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        (tmp_path / "pets" / name / "1.png").write_bytes(png(60_000, 60_000))
    command = [sys.executable, "-c", textwrap.dedent(CHILD), str(tmp_path)]

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_DATA, (4 * 2**30, 4 * 2**30))

    done = subprocess.run(command, capture_output=True, text=True, timeout=300, preexec_fn=limit)
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(done.stdout.rpartition("grown ")[2]) < ROOM, done.stdout
