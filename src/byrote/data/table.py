"""Tables: CSV and Parquet files, one row an example, one column the class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
from jaxtyping import Shaped

from byrote.data.arrays import from_arrays, numbered
from byrote.data.features import RowDisplay, fit, is_named, is_numeric, named, numbers
from byrote.data.inert import inert, inert_texts
from byrote.data.parquet import CELL, read_parquet, refuse_repeated_names
from byrote.data.problems import Problems, counted, quoted, rows_said
from byrote.data.room import refuse_beyond_memory, text_array
from byrote.data.split import HELD_OUT, Split, held_out, split
from byrote.data.targets import Target, Targets, read_columns, refuse_tolerance
from byrote.data.task import Task
from byrote.errors import CHECK_THE_PATH, BadInput, meant

#: File names that are tables end so; `.csv.gz` is unpacked as it is read.
PARQUET: Final = (".parquet", ".pq")
TEXT: Final = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
SUFFIXES: Final = (*TEXT, *PARQUET)
_DELIMITERS: Final = (",", ";", "\t", "|")
_BLOCK: Final = 1 << 24


@dataclass(frozen=True, kw_only=True, eq=False)
class Facts:
    """What stands beside the features of a table's rows."""

    name: str
    targets: Targets
    ids: Shaped[np.ndarray, " row"]
    groups: Shaped[np.ndarray, " row"] | None


def from_table(
    path: Path | str,
    *,
    target: Target,
    group: str | None = None,
    id: str | None = None,  # noqa: A002
    heldout: float = HELD_OUT,
    seed: int = 0,
    task: Task | None = None,
    tolerance: float | None = None,
) -> Split:
    """Read a CSV or Parquet file: the column `target` holds the class, the others become features.

    Numbers are centred and scaled, their missing cells take the median and are told by a feature of their own; texts
    become one feature a level, rare levels together. The encoding is fitted on the training rows alone. Ids, dates,
    prose and constant columns are left out, and the notes say so. Classes stand in the order of their values.

    Args:
        path: a .csv, .tsv (also .gz), .parquet or .pq file; a CSV's separator is found by itself.
        target: the column of the class, or of the number that is to be predicted; several columns of 0 and 1, or of
            yes and no, are labels of which an example has any. A row without is refused.
        group: a column that says which rows belong to one person or document.
        id: a column that names the rows; they are numbered unless given.
        heldout: the share of each class that no model trains on; whole groups where there are any.
        seed: fixes which rows these are.
        task: "classes", "labels" or "regression"; guessed from the column unless given, and the notes say so.
        tolerance: by how much a prediction of a regression may miss and still count as right.

    Raises:
        BadInput: the file cannot be read, a column does not exist, or its content cannot be used.
    """
    table = read_rows(path, texts=(group, id))
    facts = facts_of(table, path, target=target, group=group, id=id, task=task, tolerance=tolerance)
    used = {*facts.targets.columns, group, id}
    features = table.drop_columns([column for column in used if column is not None])
    _refuse_infinite(features, facts)
    held = held_out(facts.targets.kinds, facts.groups, share=heldout, seed=seed)
    encoding, notes = fit(features, ~held)
    if not encoding.columns:
        raise BadInput(
            f"The table {str(path)!r} has no column to learn from beside {quoted(facts.targets.columns)}.",
            hint=" ".join(notes) or "give it columns of numbers or names.",
        )
    refuse_beyond_memory(f"The table {str(path)!r}", len(table) * len(encoding.names()) * CELL)
    whole = from_arrays(
        encoding.apply(features),
        facts.targets.values,
        name=facts.name,
        ids=facts.ids,
        groups=facts.groups,
        class_names=facts.targets.class_names,
        display=RowDisplay(feature_names=encoding.names(), encoding=encoding),
        task=facts.targets.task,
        tolerance=tolerance,
    )
    return split(whole, held, notes=(*facts.targets.notes, *notes), encoding=encoding)


def read_rows(path: Path | str, *, texts: Sequence[str | None] = ()) -> pa.Table:
    """The rows of a CSV or Parquet file; a CSV's columns get the type that all of their cells have.

    Cells of the columns `texts` stay as they are written, so that 007 is not 7.

    Raises:
        BadInput: the file is missing, no table, empty, or has two columns of one name.
    """
    path = Path(path)
    ending = path.name.lower()
    if not ending.endswith(SUFFIXES):
        raise BadInput(f"The file {str(path)!r} is no table by its name.", hint=f"tables end in {', '.join(SUFFIXES)}.")
    try:
        table = _parquet(path) if ending.endswith(PARQUET) else _csv(path, texts)
    except FileNotFoundError:
        raise BadInput(f"There is no file {str(path)!r}.", hint=CHECK_THE_PATH) from None
    except UnicodeDecodeError:
        raise BadInput(f"The table {str(path)!r} is not UTF-8 text.", hint="save it as CSV UTF-8.") from None
    except (pa.ArrowException, OSError) as error:
        what = inert(str(error).strip().splitlines()[0])[:300].rstrip(".") if str(error).strip() else "no table"
        hint = (
            "save it as CSV UTF-8." if "UTF8" in what else "give each row as many cells as the first, or save it again."
        )
        raise BadInput(f"The table {str(path)!r} cannot be read: {what}.", hint=hint) from error
    refuse_repeated_names(path, table.column_names)
    if not len(table):
        raise BadInput(
            f"The table {str(path)!r} has no rows.", hint="write a row of names and below it a row an example."
        )
    return table


def facts_of(
    table: pa.Table,
    path: Path | str,
    *,
    target: Target,
    group: str | None,
    id: str | None,  # noqa: A002
    task: Task | None = None,
    tolerance: float | None = None,
) -> Facts:
    """Targets, ids and groups of the rows.

    Raises:
        BadInput: a column does not exist, or a cell of one is missing or cannot be used.
    """
    refuse_unknown(table, path, {"target": target, "group": group, "id": id})
    name = inert(Path(path).name.partition(".")[0]) or "table"
    problems = Problems(name)
    targets = read_columns(table, target, task, problems)
    refuse_tolerance(tolerance, targets.task)
    columns = {"id": id, "group": group}
    texts = {word: _texts(table.column(column), column, problems) for word, column in columns.items() if column}
    problems.settle()
    return Facts(
        name=name,
        targets=targets,
        ids=numbered(name, len(table)) if id is None else texts["id"],
        groups=texts.get("group"),
    )


def refuse_unknown(table: pa.Table, path: Path | str, columns: dict[str, Target | None]) -> None:
    """Refuse names that are not those of columns, and one column for two things.

    Raises:
        BadInput: with the names that are.
    """
    named_by = [
        (argument, column)
        for argument, names in columns.items()
        for column in ([names] if isinstance(names, str) else names or ())
    ]
    for argument, column in named_by:
        if column not in table.column_names:
            raise BadInput(
                f"The table {str(path)!r} has no column {column!r} for the {argument}.",
                hint=f"{meant(column, table.column_names)}its columns are "
                f"{quoted(sorted(table.column_names), limit=30)}.",
            )
    given = [column for _, column in named_by]
    if len(set(given)) < len(given):
        twice = next(column for column in given if given.count(column) > 1)
        words = " and the ".join(argument for argument, column in named_by if column == twice)
        raise BadInput(
            f"The column {twice!r} cannot be the {words} at once.",
            hint="name a column for each, or leave one of the options out.",
        )


def _parquet(path: Path) -> pa.Table:
    table = read_parquet(path, f"The table {str(path)!r}")
    table.validate(full=True)
    columns = [named(column) if is_named(column.type) else column for column in table.columns]
    return pa.Table.from_arrays(columns, names=table.column_names)


def _csv(path: Path, texts: Sequence[str | None]) -> pa.Table:
    _refuse_unpacking(path)
    with pa.input_stream(str(path), compression="detect") as stream:
        start = stream.read(_BLOCK)
    header = start.split(b"\n", 1)[0].decode("utf-8-sig")
    delimiter = max(_DELIMITERS, key=header.count)
    parse = pacsv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
    read = pacsv.ReadOptions(block_size=_BLOCK, use_threads=False)
    names = pacsv.open_csv(path, read_options=read, parse_options=parse).schema.names
    convert = pacsv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()),
        strings_can_be_null=True,
        null_values=[*pacsv.ConvertOptions().null_values, "?"],
    )
    table = pacsv.read_csv(path, read_options=read, parse_options=parse, convert_options=convert)
    typed = [
        column if name in texts else _typed(column, decimal_comma=delimiter == ";")
        for name, column in zip(table.column_names, table.columns, strict=True)
    ]
    return pa.Table.from_arrays(typed, names=table.column_names)


def _refuse_unpacking(path: Path) -> None:
    """Refuse a packed text that is larger than the machine's memory, by unpacking it piece by piece."""
    if path.suffix.lower() not in (".csv", ".tsv"):
        size = 0
        with pa.input_stream(str(path), compression="detect") as stream:
            while piece := len(stream.read(_BLOCK)):
                size += piece
                refuse_beyond_memory(f"The table {str(path)!r}", size)


def _typed(texts: pa.ChunkedArray, *, decimal_comma: bool) -> pa.ChunkedArray:
    """The cells as the narrowest of whole numbers, numbers, true and false, and times that holds them all."""
    trimmed = pc.utf8_trim_whitespace(texts)
    trimmed = pc.if_else(pc.equal(trimmed, ""), None, trimmed)
    kinds: Sequence[pa.DataType] = (
        pa.int64(),
        pa.float64(),
        pa.bool_(),
        pa.timestamp("us"),
        pa.timestamp("us", tz="UTC"),
    )
    for kind in kinds:
        try:
            return trimmed.cast(kind)
        except pa.ArrowInvalid:
            continue  # a cell is none of these
    if decimal_comma:
        try:
            return pc.replace_substring(trimmed, ",", ".").cast(pa.float64())
        except pa.ArrowInvalid:
            pass  # nor is it a number of the countries that write a comma
    return texts


def _texts(cells: pa.ChunkedArray, name: str, problems: Problems) -> Shaped[np.ndarray, " row"]:
    """The cells as text; a missing one is a problem."""
    if not (is_named(cells.type) or is_numeric(cells.type) or pa.types.is_temporal(cells.type)):
        problems.add(
            f"the column {name!r} holds values of the type {str(cells.type)!r}, which name nothing",
            "ids and groups are texts or whole numbers",
        )
        return np.full(len(cells), "", np.str_)
    texts = named(cells)
    missing = np.flatnonzero(texts.is_null().to_numpy(zero_copy_only=False))
    if len(missing):
        problems.add(
            f"the column {name!r} is empty in {counted(len(missing), 'row', 'rows')} ({rows_said(missing)})",
            "fill these cells, or leave the rows out",
        )
    read = inert_texts(pc.fill_null(texts, "").to_numpy(zero_copy_only=False))
    return text_array(f"The column {name!r}", read.tolist())


def _refuse_infinite(table: pa.Table, facts: Facts) -> None:
    problems = Problems(facts.name)
    for name in table.column_names:
        if pa.types.is_floating(table.column(name).type):
            infinite = np.flatnonzero(np.isinf(numbers(table.column(name))))
            if len(infinite):
                problems.add(
                    f"the column {name!r} holds infinite numbers ({rows_said(infinite)})",
                    "leave them out, or put a number in their place",
                )
    problems.settle()
