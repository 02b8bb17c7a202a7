"""Parquet files: what their columns take in memory is known before any of them is expanded.

A file stores a long text once, however many rows repeat it, so that kilobytes can stand for terabytes.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from byrote.data.mapped import dropped, is_large, refuse_beyond_disk, scratch_file
from byrote.data.problems import quoted
from byrote.data.room import refuse_beyond_memory
from byrote.errors import BadInput

#: A number of a table takes so many bytes at least, once it is a feature.
CELL: Final = 4
#: Each column takes some 16 KiB and some time, whatever it holds.
MOST_COLUMNS: Final = 50_000
#: Bytes of a value by its type in the file; of texts, what it takes to say where one ends.
_WIDTHS: Final = {"BOOLEAN": 1, "INT32": 4, "INT64": 8, "INT96": 8, "FLOAT": 4, "DOUBLE": 8, "BYTE_ARRAY": 4}
_NUMBERS: Final = frozenset(_WIDTHS) - {"BYTE_ARRAY"}
#: How texts are stored that repeat one another: whole ones by number, or their beginnings.
_BY_NUMBER: Final = frozenset(("RLE_DICTIONARY", "PLAIN_DICTIONARY"))
_BY_BEGINNING: Final = "DELTA_BYTE_ARRAY"
#: Rows looked at together while texts stand as their numbers, and bytes where they must be expanded to be measured.
_ROWS: Final = 1 << 18
#: Rows of a large file that are read at a time.
_BATCH: Final = 1 << 16
#: Bytes of memory that a row takes, whatever it holds: its id, its digest, its target.
ROW: Final = 256
_BYTES: Final = 1 << 26


def read_parquet(path: Path, what: str) -> pa.Table:
    """The rows of a file; `what` names the file in refusals.

    Texts must fit into memory. Numbers that are large for it are read by row group into a file, and stay there.

    Raises:
        NotEnoughRoom: texts do not fit into memory, or numbers onto the disk.
        BadInput: two columns have one name.
    """
    file = pq.ParquetFile(path, pre_buffer=False)
    refuse_wide(path, file.metadata.num_columns)
    refuse_repeated_names(path, file.schema_arrow.names)
    refuse_beyond_memory(what, file.metadata.num_rows * ROW)
    numbers, others = _parts(file)
    refuse_unpacking(path, file, what, others)
    return _mapped(file) if is_large(_size(file, numbers)) else file.read(use_threads=False)


def _parts(file: pq.ParquetFile) -> tuple[list[str], list[str]]:
    """The columns of single numbers by their names, and all others."""
    leaves = [file.schema.column(index) for index in range(len(file.schema))]
    plain = {leaf.path for leaf in leaves if leaf.physical_type in _NUMBERS and not leaf.max_repetition_level}
    names = file.schema_arrow.names
    return [name for name in names if name in plain], [name for name in names if name not in plain]


def _size(file: pq.ParquetFile, columns: Sequence[str]) -> int:
    """The bytes that columns of numbers take at least."""
    groups = [file.metadata.row_group(group) for group in range(file.metadata.num_row_groups)]
    leaves = [(index, file.schema.column(index)) for index in range(len(file.schema))]
    return sum(_least(leaf, [g.column(index) for g in groups]) for index, leaf in leaves if leaf.path in set(columns))


def _mapped(file: pq.ParquetFile) -> pa.Table:
    """The table in a file without a name, which the system takes back with the last column of it."""
    size = file.metadata.num_rows * sum(_width(field.type) for field in file.schema_arrow)
    path, lock = scratch_file(".arrow")
    try:
        refuse_beyond_disk(path.parent, size)
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, file.schema_arrow) as writer:
            for batch in file.iter_batches(batch_size=_BATCH, use_threads=False):
                writer.write_batch(batch)
        return pa.ipc.open_stream(pa.memory_map(str(path))).read_all()
    finally:
        dropped(path, lock)


def _width(kind: pa.DataType) -> int:
    """The bytes of a value, about."""
    return max(1, kind.bit_width // 8) if pa.types.is_primitive(kind) else CELL


def refuse_wide(path: Path | str, columns: int) -> None:
    """Refuse more columns than a table can have here, before they are read.

    Raises:
        BadInput: there are more.
    """
    if columns > MOST_COLUMNS:
        raise BadInput(
            f"The table {str(path)!r} has {columns:,} columns; a table can have {MOST_COLUMNS:,}.",
            hint="write so many numbers as arrays: np.savez('data.npz', inputs=…, targets=…).",
        )


def index_columns(path: Path | str, schema: pa.Schema) -> tuple[str, ...]:
    """The columns that the file itself says are the index of a pandas table: they name rows.

    Raises:
        BadInput: what the file says of pandas is damaged.
    """
    metadata = (schema.metadata or {}).get(b"pandas")
    if metadata is None:
        return ()
    try:
        index = json.loads(metadata)["index_columns"]
        return tuple(name for name in schema.names if name in index)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadInput(
            f"The table {str(path)!r} has damaged pandas metadata: its index cannot be read.",
            hint="write it again, as with table.reset_index(drop=True).to_parquet(…).",
        ) from error


def refuse_repeated_names(path: Path | str, names: Sequence[str]) -> None:
    """Refuse columns that are called alike.

    Raises:
        BadInput: with their names.
    """
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise BadInput(
            f"The columns of {str(path)!r} must have different names. Got {quoted(twice)} more than once.",
            hint="rename or remove the columns that are called alike.",
        )


def refuse_unpacking(path: Path, file: pq.ParquetFile, what: str, columns: Sequence[str] | None = None) -> None:
    """Refuse columns that take more than the machine's memory, before they are expanded; all columns unless named.

    The file says how many values it holds and how large its pages are. Texts that pages store once for many rows are
    counted row by row while they stand as numbers.

    Raises:
        NotEnoughRoom: they do.
        BadInput: two columns, or parts of them, cannot be told apart by name.
    """
    groups = [file.metadata.row_group(group) for group in range(file.metadata.num_row_groups)]
    leaves = [file.schema.column(index) for index in range(len(file.schema))]
    refuse_repeated_names(path, [leaf.path for leaf in leaves])
    parts = [
        (leaf, [group.column(index) for group in groups])
        for index, leaf in enumerate(leaves)
        if columns is None or any(leaf.path == name or leaf.path.startswith(f"{name}.") for name in columns)
    ]
    total = sum(_least(leaf, chunks) for leaf, chunks in parts)
    refuse_beyond_memory(what, total)
    repeating = [part for part in parts if _repeats(*part)]
    by_number = pq.ParquetFile(path, read_dictionary=[leaf.path for leaf, _ in repeating], pre_buffer=False)
    for leaf, chunks in repeating:
        total -= _least(leaf, chunks)
        rows, reader = _ROWS, by_number
        if not _stays_a_number(leaf, chunks):
            largest = max(chunk.total_uncompressed_size for chunk in chunks)  # no text is longer than its page
            if leaf.max_repetition_level:  # and a single row can hold any number of them
                refuse_beyond_memory(what, total + sum(chunk.num_values for chunk in chunks) * largest)
            rows, reader = max(1, _BYTES // max(1, largest)), file
        for batch in reader.iter_batches(batch_size=rows, columns=[leaf.path], use_threads=False):
            total += sum(map(_expanded, batch.columns))
            refuse_beyond_memory(what, total)


def _least(leaf: Any, chunks: Sequence[Any]) -> int:
    """The bytes that a column takes at least."""
    width = max(_WIDTHS.get(leaf.physical_type, leaf.length), CELL)
    return sum(max(chunk.total_uncompressed_size, chunk.num_values * width) for chunk in chunks)


def _repeats(leaf: Any, chunks: Sequence[Any]) -> bool:
    """Whether it may hold texts of which pages store parts once for many rows."""
    encodings = {encoding for chunk in chunks for encoding in chunk.encodings}
    return leaf.physical_type == "BYTE_ARRAY" and bool(encodings & {*_BY_NUMBER, _BY_BEGINNING})


def _stays_a_number(leaf: Any, chunks: Sequence[Any]) -> bool:
    """Whether texts can be read as their numbers; else they come expanded."""
    return leaf.logical_type.type != "DECIMAL" and not any(_BY_BEGINNING in chunk.encodings for chunk in chunks)


def _expanded(array: pa.Array) -> int:
    """The bytes of an array, once each number in it is the text that it stands for."""
    if pa.types.is_dictionary(array.type):
        lengths = pc.take(pc.binary_length(array.dictionary), array.indices)
        return (pc.sum(lengths).as_py() or 0) + len(array) * CELL
    if pa.types.is_map(array.type):
        return _expanded(array.keys) + _expanded(array.items)
    if pa.types.is_struct(array.type):
        return sum(map(_expanded, array.flatten()))
    if pa.types.is_nested(array.type):
        return _expanded(array.flatten()) + len(array) * CELL
    return int(array.nbytes)
