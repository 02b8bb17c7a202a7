"""Tables: CSV and Parquet files, one row per example, one column the class."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Shaped

from byrote.data.arrays import from_arrays, numbered
from byrote.data.cells import Typed, as_written, spelled, typed
from byrote.data.csv_file import read_csv
from byrote.data.dataset import Display
from byrote.data.features import RowDisplay, fit, is_category, is_named, is_numeric, named, numbers
from byrote.data.inert import inert, inert_texts
from byrote.data.labels import marks_said
from byrote.data.own_cells import OwnCells
from byrote.data.parquet import index_columns, read_parquet, refuse_repeated_names
from byrote.data.problems import Problems, counted, quoted, rows_said
from byrote.data.room import text_array
from byrote.data.spelling import plain_texts
from byrote.data.split import HELD_OUT, Split, held_out, split
from byrote.data.targets import MOST_DECIMALS, Target, Targets, read_columns, refuse_tolerance, written_at
from byrote.data.task import Task
from byrote.errors import CHECK_THE_PATH, BadInput, meant

#: File names that are tables end so; `.csv.gz` is unpacked as it is read.
PARQUET: Final = (".parquet", ".pq")
TEXT: Final = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
SUFFIXES: Final = (*TEXT, *PARQUET)


@dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    """The rows of a file: each column by the type of its cells, and the cells as they are written.

    `names` are columns of categories, whose texts are never numbers, `index` those that pandas numbered the rows by;
    `notes` say of a column what is read otherwise than it is written. `delimiter` separates the cells of a text.
    """

    table: pa.Table
    own: pa.Table
    names: frozenset[str] = frozenset()
    index: tuple[str, ...] = ()
    notes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    delimiter: str | None = None

    def __len__(self) -> int:
        return len(self.table)

    def noted(self, columns: Iterable[str]) -> tuple[str, ...]:
        """The notes of these columns."""
        return tuple(note for column in columns for note in self.notes.get(column, ()))


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
    id: str | None = None,  # noqa: A002  # as the option is called
    heldout: float = HELD_OUT,
    seed: int = 0,
    task: Task | None = None,
    tolerance: float | None = None,
) -> Split:
    r"""Read a CSV or Parquet file: the column `target` holds the class, the others become features.

    Numbers are centred and scaled, their missing cells take the median and are told by a feature of their own; texts
    become one feature a level, rare levels together. A few texts in a column of numbers count as missing. The encoding
    is fitted on the training rows alone. Ids, prose and constant columns are left out. The notes say so. Classes stand
    in the order of their values. The cells stay in memory as they are written, to be shown.

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

    Example:
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / 't.csv'
        >>> _ = path.write_text('age,kind\n' + '31.5,a\n42.5,b\n' * 5)
        >>> split = from_table(path, target='kind')
        >>> split.training.class_names, split.training.display.feature_names
        (('a', 'b'), ('age',))
    """
    rows = read_table(path, written=(group, id), target=target, task=task)
    return split_of(
        rows, path, target=target, group=group, id=id, heldout=heldout, seed=seed, task=task, tolerance=tolerance
    )


def split_of(
    rows: Rows,
    path: Path | str,
    *,
    target: Target,
    group: str | None,
    id: str | None,  # noqa: A002  # as the option is called
    heldout: float,
    seed: int,
    task: Task | None,
    tolerance: float | None,
) -> Split:
    """Rows as `from_table` makes a dataset of them; `path` names the table.

    Raises:
        BadInput: a column does not exist, or its content cannot be used.
    """
    facts = facts_of(rows, path, target=target, group=group, id=id, task=task, tolerance=tolerance)
    used = {*facts.targets.columns, group, id}
    features = rows.table.drop_columns([column for column in used if column is not None])
    _refuse_infinite(features, facts)
    held = held_out(facts.targets.kinds, facts.groups, share=heldout, seed=seed)
    encoding, notes = fit(features, ~held, index=rows.index)
    if not encoding.columns:
        raise BadInput(
            f"The table {str(path)!r} has no column to learn from beside {quoted(facts.targets.columns)}.",
            hint=" ".join([*notes, "give it columns of numbers or names."]),
        )
    whole = from_arrays(
        encoding.apply(features),
        facts.targets.values,
        name=facts.name,
        ids=facts.ids,
        groups=facts.groups,
        class_names=facts.targets.class_names,
        task=facts.targets.task,
        tolerance=tolerance,
        display=Display(feature_names=encoding.names()),
    )
    own = OwnCells.of(rows.own.select([column.column for column in encoding.columns]), whole.ids, whole.inputs)
    display = RowDisplay(feature_names=encoding.names(), encoding=encoding, own=own)
    read = rows.noted(dict.fromkeys((*facts.targets.columns, *(column.column for column in encoding.columns))))
    notes = (*facts.targets.notes, *read, *notes)
    return split(whole.replace(display=display), held, notes=notes, encoding=encoding)


def read_rows(path: Path | str, *, texts: Sequence[str | None] = ()) -> pa.Table:
    """The rows of a CSV or Parquet file; a CSV's columns get the type that all of their cells have.

    Cells of the columns `texts` stay as they are written, so that 007 is not 7.

    Raises:
        BadInput: the file is missing, no table, empty, or has two columns of one name.
    """
    return read_table(path, written=texts).table


def read_table(
    path: Path | str,
    *,
    written: Sequence[str | None] = (),
    target: Target = (),
    task: Task | None = None,
) -> Rows:
    """The rows of a file, each column by the type of its cells, beside the cells as they are written.

    Cells of the columns `written` stay as they are. Of a `target` all cells must be numbers for it to be one, unless
    the task or the number of different ones says that it is.

    Raises:
        BadInput: the file is missing, no table, empty, or has two columns of one name.
    """
    path = Path(path)
    ending = path.name.lower()
    if not ending.endswith(SUFFIXES):
        raise BadInput(
            f"The file {str(path)!r} does not have the ending of a table.", hint=f"tables end in {', '.join(SUFFIXES)}."
        )
    try:
        rows = _parquet(path) if ending.endswith(PARQUET) else _csv(path)
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
    return typed_rows(rows, path, written=written, target=target, task=task)


def typed_rows(
    rows: Rows, path: Path | str, *, written: Sequence[str | None], target: Target, task: Task | None
) -> Rows:
    """Rows as `read_table` gives them, of cells as they were read.

    Raises:
        BadInput: there are none, or two columns have one name.
    """
    refuse_repeated_names(path, rows.table.column_names)
    if not len(rows.table):
        raise BadInput(
            f"The table {str(path)!r} has no rows.",
            hint="write a row of column names, and below it one row per example.",
        )
    targets = (target,) if isinstance(target, str) else tuple(target)
    return _typed(rows, [name for name in written if name is not None], targets, task)


def facts_of(
    rows: Rows,
    path: Path | str,
    *,
    target: Target,
    group: str | None,
    id: str | None,  # noqa: A002  # as the option is called
    task: Task | None = None,
    tolerance: float | None = None,
) -> Facts:
    """Targets, ids and groups of the rows.

    Raises:
        BadInput: a column does not exist, or a cell of one is missing or cannot be used.
    """
    table = rows.table
    refuse_unknown(table, path, {"target": target, "group": group, "id": id})
    name = inert(Path(path).name.partition(".")[0]) or "table"
    problems = Problems(name)
    targets = read_columns(table, target, task, problems, own=rows.own)
    refuse_tolerance(tolerance, targets.task)
    columns = {"id": id, "group": group}
    texts = {
        word: _texts(table.column(column), rows.own.column(column), column, word, problems)
        for word, column in columns.items()
        if column
    }
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


def _parquet(path: Path) -> Rows:
    table = read_parquet(path, f"The table {str(path)!r}")
    table.validate(full=True)
    return rows_of(table, path)


def rows_of(table: pa.Table, path: Path | str) -> Rows:
    """The rows of a table of Arrow: texts of any of its types as texts, and what is said of categories and an index."""
    columns = [named(column) if is_named(column.type) else column for column in table.columns]
    categories = [name for name, field in zip(table.column_names, table.schema, strict=True) if is_category(field.type)]
    plain = pa.Table.from_arrays(columns, names=table.column_names)
    return Rows(table=plain, own=plain, names=frozenset(categories), index=index_columns(path, table.schema))


def _csv(path: Path) -> Rows:
    table, delimiter = read_csv(path)
    return Rows(table=table, own=table, delimiter=delimiter)


def _typed(rows: Rows, written: Collection[str], targets: Collection[str], task: Task | None) -> Rows:
    """The same with every column of texts by the type of its cells, but for those that stay as they are written."""
    columns = dict(zip(rows.table.column_names, rows.table.columns, strict=True))
    texts = {name: cells for name, cells in columns.items() if is_named(cells.type) and name not in written}
    likely = rows.delimiter == ";"
    free = {name: cells for name, cells in texts.items() if name not in rows.names}
    read = {name: typed(name, cells, comma=likely) for name, cells in free.items()}
    if any(one.comma for one in read.values()):
        read = {name: typed(name, cells, comma=True, sure=True) for name, cells in free.items()}
    read |= {name: Typed(cells=spelled(texts[name])) for name in rows.names if name in texts}
    for name in targets:
        if name in read and not _learned(read[name], task):
            read[name] = Typed(cells=spelled(texts[name]))
    columns |= {name: as_written(columns[name]) for name in written if name in columns and is_named(columns[name].type)}
    columns |= {name: one.cells for name, one in read.items()}
    return replace(rows, table=pa.table(columns), notes={name: one.notes for name, one in read.items()})


def _learned(read: Typed, task: Task | None) -> bool:
    """Whether a target is to be taken for numbers although some of its cells are none, or are written with a unit."""
    if (read.whole and not read.notes) or task == "regression":
        return True
    return task is None and is_numeric(read.cells.type) and pc.count_distinct(read.cells).as_py() > MOST_DECIMALS


def _texts(
    cells: pa.ChunkedArray, own: pa.ChunkedArray, name: str, word: str, problems: Problems
) -> Shaped[np.ndarray, " row"]:
    """The cells as text, of groups as names are spelled; a missing one is a problem."""
    if not (is_named(cells.type) or is_numeric(cells.type) or pa.types.is_temporal(cells.type)):
        problems.add(
            f"the column {name!r} holds values of the type {str(cells.type)!r}, which name nothing",
            "ids and groups are texts or whole numbers",
        )
        return np.full(len(cells), "", np.str_)
    texts = named(cells)
    missing = np.flatnonzero(texts.is_null().to_numpy(zero_copy_only=False))
    if len(missing):
        message, hint = marks_said(written_at(own, missing), word)
        problems.add(
            f"the column {name!r} is empty in {counted(len(missing), 'row', 'rows')} ({rows_said(missing)}){message}",
            f"fill these cells, or leave the rows out{hint}",
        )
    read = pc.fill_null(texts, "").to_numpy(zero_copy_only=False)
    read = inert_texts(plain_texts(read) if word == "group" else read)
    return text_array(f"The column {name!r}", read.tolist())


def _refuse_infinite(table: pa.Table, facts: Facts) -> None:
    problems = Problems(facts.name)
    for name, cells in zip(table.column_names, table.columns, strict=True):
        if pa.types.is_floating(cells.type):
            infinite = np.flatnonzero(np.isinf(numbers(cells)))
            if len(infinite):
                problems.add(
                    f"the column {name!r} holds infinite numbers ({rows_said(infinite)})",
                    "leave them out, or put a number in their place",
                )
    problems.settle()
