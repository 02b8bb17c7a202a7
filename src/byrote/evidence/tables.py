"""The tables of a run folder, read with a sentence where one is missing or damaged."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from byrote.data.dataset import Dataset
from byrote.errors import BadInput, DamagedShard
from byrote.evidence.seals import BLANK, KEY, has_seal, is_broken, sealed, write_sealed
from byrote.evidence.shards import SCHEMA_VERSION, read_shard, refuse_newer

EXAMPLES, CONTROLS, DESIGN = "examples.parquet", "controls.parquet", "design.safetensors"
#: What to do where a table of a run is missing or damaged.
WRITE_AGAIN = (
    "an audit's command, run again, writes it again and keeps what was trained; make any other run again elsewhere."
)

#: Where a table says its schema version; those of version 0.1.0 say none.
SCHEMA_KEY = "byrote-schema"
#: Digests of tables by name, as a manifest has them; None of a run of version 0.1.0.
Digests = Mapping[str, str] | None


def table_bytes(table: pa.Table) -> bytes:
    """A table as Parquet, sealed."""
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, table.schema) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({SCHEMA_KEY: SCHEMA_VERSION, KEY: BLANK})
    return sealed(sink.getvalue().to_pybytes())


def write_table(path: Path, table: pa.Table) -> None:
    """Write a table as Parquet, sealed, in one piece."""
    write_sealed(path, table_bytes(table))


def read_table(path: Path, *, must_be_sealed: bool = False, hint: str = WRITE_AGAIN) -> pa.Table:
    """A table that byrote wrote, every cell of it checked; those of version 0.1.0 are not sealed.

    Raises:
        BadInput: it cannot be read, is not what was written, or a newer version of byrote wrote it.
    """
    try:
        content = path.read_bytes()
        file = pq.ParquetFile(pa.BufferReader(content), pre_buffer=False)
        version = (file.metadata.metadata or {}).get(SCHEMA_KEY.encode())
        table = file.read(use_threads=False)
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        raise BadInput(f"The run's table {str(path)!r} cannot be read: {_first_line(error)}", hint=hint) from error
    if is_broken(content) or (must_be_sealed and not has_seal(content)):
        raise BadInput(f"The run's table {str(path)!r} does not fit the digest that it should carry.", hint=hint)
    refuse_newer("run's table", path, None if version is None else version.decode("utf-8", "replace"))
    return table


def digest_of(path: Path) -> str:
    """SHA-256 of a file's bytes, as a manifest has it.

    Raises:
        BadInput: there is no such file.
    """
    if not path.is_file():
        raise _gone(path)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def is_the_named(path: Path, digests: Digests) -> bool:
    """Whether a file is the one that the manifest names, or it names none."""
    named = (digests or {}).get(path.name)
    return named is None or digest_of(path) == named


def refuse_changed(path: Path, digests: Digests) -> None:
    """Refuse a file that is not the one that the manifest names; of a run of version 0.1.0 nobody knows.

    Raises:
        BadInput: it is another, or gone.
    """
    if not is_the_named(path, digests):
        raise BadInput(
            f"The run's file {str(path)!r} is damaged: it is not the one that the manifest names.", hint=WRITE_AGAIN
        )


def read_examples(folder: Path, digests: Digests = None) -> pa.Table:
    """Ids, labels and, where there are any, digests of the inputs.

    Raises:
        BadInput: the table is missing, damaged, or not that of the manifest.
    """
    refuse_changed(folder / EXAMPLES, digests)
    table = _read(folder / EXAMPLES, ("example", "label"))
    if not pa.types.is_integer(table["label"].type):
        raise BadInput(f"The labels in {str(folder / EXAMPLES)!r} are of type {table['label'].type}.", hint=WRITE_AGAIN)
    return table


def read_controls(folder: Path, digests: Digests = None) -> pa.Table:
    """What was planted.

    Raises:
        BadInput: the table is missing, damaged, or not that of the manifest.
    """
    refuse_changed(folder / CONTROLS, digests)
    return _read(folder / CONTROLS, ("example", "kind", "original"))


def read_design(folder: Path, digests: Digests = None) -> dict[str, np.ndarray]:
    """The arrays of the design.

    Raises:
        BadInput: the file is missing, damaged, or not that of the manifest.
    """
    path = folder / DESIGN
    if not path.exists():
        raise _gone(path)
    refuse_changed(path, digests)
    try:
        return read_shard(path)
    except DamagedShard as error:
        raise BadInput(f"The run's design is damaged: {error.message}", hint=WRITE_AGAIN) from error


def examples_table(
    ids: np.ndarray,
    labels: np.ndarray,
    contents: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    numbers: np.ndarray | None = None,
) -> pa.Table:
    """The content of `examples.parquet`: digests of the inputs, groups and the numbers of a regression if there are."""
    columns = {"example": ids.astype(object), "label": labels}
    if contents is not None:
        columns["content"] = contents.astype(object)
    if groups is not None:
        columns["group"] = groups.astype(object)
    if numbers is not None:
        columns["target"] = numbers
    return pa.table(columns)


def examples_of(dataset: Dataset) -> pa.Table:
    """The content of `examples.parquet` of a run of this dataset."""
    return examples_table(dataset.ids, dataset.kinds, dataset.contents(), dataset.groups, dataset.numbers)


def unlike(table: pa.Table, data: pa.Table) -> list[str]:
    """The columns of a table of examples that are not what the data have; those that only one of them has left out.

    Example:
        >>> unlike(pa.table({"example": ["a", "b"], "label": [0, 1]}), pa.table({"example": ["b", "a"]}))
        ['example']
    """
    shared = [name for name in table.column_names if name in data.column_names]
    return [name for name in shared if table[name].to_pylist() != data[name].to_pylist()]


def _read(path: Path, columns: tuple[str, ...]) -> pa.Table:
    if not path.is_file():
        raise _gone(path)
    table = read_table(path)
    lacking = [column for column in columns if column not in table.column_names]
    if lacking:
        raise BadInput(f"The run's table {str(path)!r} lacks the column {', '.join(lacking)}.", hint=WRITE_AGAIN)
    for name in columns:
        column = table[name]
        if column.null_count or (name != "label" and not _is_text(column.type)):
            raise BadInput(
                f"The column {name!r} of the run's table {str(path)!r} is of type {str(column.type)!r}, with "
                f"{column.null_count} empty cells.",
                hint=WRITE_AGAIN,
            )
    return table


def _is_text(kind: pa.DataType) -> bool:
    """Whether a column is of texts; one of no rows may be of any type."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind))


def _gone(path: Path) -> BadInput:
    return BadInput(f"The run lacks its file {str(path)!r}.", hint=WRITE_AGAIN)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
