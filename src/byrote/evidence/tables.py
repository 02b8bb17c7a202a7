"""The tables of a run folder, read with a sentence where one is missing or damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from byrote.errors import BadInput, DamagedShard
from byrote.evidence.shards import read_shard

EXAMPLES, CONTROLS, DESIGN = "examples.parquet", "controls.parquet", "design.safetensors"
_HINT = "the command that made the run writes it again; what was trained is kept."


def read_examples(folder: Path) -> pa.Table:
    """Ids, labels and, where there are any, digests of the inputs.

    Raises:
        BadInput: the table is missing or damaged.
    """
    return _read(folder / EXAMPLES, ("example", "label"))


def read_controls(folder: Path) -> pa.Table:
    """What was planted.

    Raises:
        BadInput: the table is missing or damaged.
    """
    return _read(folder / CONTROLS, ("example", "kind", "original"))


def read_design(folder: Path) -> dict[str, np.ndarray]:
    """The arrays of the design.

    Raises:
        BadInput: the file is missing or damaged.
    """
    path = folder / DESIGN
    if not path.exists():
        raise _gone(path)
    try:
        return read_shard(path)
    except DamagedShard as error:
        raise BadInput(f"The run's design is damaged: {error.message}", hint=_HINT) from error


def _read(path: Path, columns: tuple[str, ...]) -> pa.Table:
    if not path.exists():
        raise _gone(path)
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise BadInput(f"The run's table {str(path)!r} cannot be read: {_first_line(error)}", hint=_HINT) from error
    lacking = [column for column in columns if column not in table.column_names]
    if lacking:
        raise BadInput(f"The run's table {str(path)!r} lacks the column {', '.join(lacking)}.", hint=_HINT)
    for name in columns:
        column = table[name]
        if column.null_count or (name != "label" and not _is_text(column.type)):
            raise BadInput(
                f"The column {name!r} of the run's table {str(path)!r} is of type {str(column.type)!r}, with "
                f"{column.null_count} empty cells.",
                hint=_HINT,
            )
    return table


def _is_text(kind: pa.DataType) -> bool:
    """Whether a column is of texts; one of no rows may be of any type."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind))


def _gone(path: Path) -> BadInput:
    return BadInput(f"The run lacks its file {str(path)!r}.", hint=_HINT)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
