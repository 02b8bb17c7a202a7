"""The column of a table that is learned: a class or a number; or several columns, of labels or of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Int, Shaped

from byrote.data.features import is_named, is_numeric, named, numbers
from byrote.data.inert import inert, inert_texts
from byrote.data.labels import marks_said
from byrote.data.problems import Problems, counted, quoted, rows_said
from byrote.data.spelling import plain_texts
from byrote.data.task import TASKS, Task, scale_of
from byrote.errors import BadInput

#: The name of a column, or of several.
Target = str | Sequence[str]
#: A class for each of more than this share of the rows is an id, or a number to be predicted.
_MOST_CLASSES: Final = 0.5
#: A column of decimal numbers of more than so many values is taken for one to be predicted.
MOST_DECIMALS: Final = 20
#: And one of whole numbers where there are more than so many that are none of a count from 0 or 1, each this seldom.
SELDOM: Final = 5
_TRUE: Final = ("1", "true", "yes", "y", "t")
_FALSE: Final = ("0", "false", "no", "n", "f")


@dataclass(frozen=True, kw_only=True, eq=False)
class Targets:
    """What is learned of each row, and from which columns; `notes` say what was guessed."""

    task: Task
    values: Shaped[np.ndarray, "row *label"]
    class_names: tuple[str, ...] | None
    columns: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def kinds(self) -> Int[np.ndarray, " row"]:
        """What each row belongs to: its class, its set of labels, the fifth of its number."""
        return scale_of(self.task, self.values, self.class_names or ()).index(self.values)


def read_columns(
    table: pa.Table, target: Target, task: Task | None, problems: Problems, *, own: pa.Table | None = None
) -> Targets:
    """The targets in these columns; the task is guessed unless given, and what is wrong goes to `problems`.

    `own` holds the cells as they are written, to be named where they are missing.

    Raises:
        BadInput: there is no such task, or it does not go with so many columns.
    """
    columns = (target,) if isinstance(target, str) else tuple(target)
    refuse_unfit_task(task, columns)
    own = table if own is None else own
    if len(columns) > 1 and task == "regression":
        return _several_numbers(table, own, columns, problems)
    if len(columns) > 1 or task == "labels":
        read = [_label(table.column(name), own.column(name), name, problems) for name in columns]
        return Targets(
            task="labels",
            values=np.stack(read, axis=1),
            class_names=tuple(inert(name) for name in columns),
            columns=columns,
        )
    name, cells = columns[0], table.column(columns[0])
    many = task is None and _many_numbers(cells)
    if _lacks(cells, own.column(name), name, "number" if many or task == "regression" else "class", problems):
        return _nothing(columns)
    if task == "regression" or many:
        return _numbers(cells, name, problems, guessed=task is None)
    values, names = _classes(cells, name, problems)
    return Targets(task="classes", values=values, class_names=names, columns=columns)


def refuse_unfit_task(task: Task | None, columns: Sequence[str]) -> None:
    """Refuse a task that there is not, or one of a single column for several.

    Raises:
        BadInput: it is such.
    """
    if task is not None and task not in TASKS:
        raise BadInput(f"There is no task {task!r}.", hint=f"--task {', --task '.join(sorted(TASKS))}.")
    if not columns:
        raise BadInput("A table needs a column to learn.", hint="--target COLUMN.")
    if len(columns) > 1 and task == "classes":
        raise BadInput(
            f"The task {task!r} has one target, and {len(columns)} are given ({quoted(columns)}).",
            hint="several --target columns are labels, each yes or no, or with --task regression numbers.",
        )


def refuse_tolerance(tolerance: float | None, task: Task) -> None:
    """Refuse a tolerance that is none, or where nothing is measured by one.

    Raises:
        BadInput: it is such.
    """
    if tolerance is None:
        return
    if not 0 < tolerance < float("inf"):
        raise BadInput(
            f"A tolerance must be a number above 0. Got {tolerance}.",
            hint="give it in the unit of the target: how far off an answer may be and still be right.",
        )
    if task != "regression":
        raise BadInput(f"A tolerance is for numbers, and the target is {TASKS[task]}.", hint="--task regression.")


def _nothing(columns: tuple[str, ...]) -> Targets:
    """Stands for targets that a problem was told of."""
    return Targets(task="classes", values=np.zeros(0, np.int64), class_names=("a", "b"), columns=columns)


def written_at(own: pa.ChunkedArray, rows: Int[np.ndarray, " row"]) -> Shaped[np.ndarray, " row"]:
    """What is written in these cells of a column, made inert; None where nothing is."""
    texts = named(own.take(pa.array(rows))) if is_named(own.type) else pa.nulls(len(rows), pa.string())
    return inert_texts(np.asarray(texts.to_numpy(zero_copy_only=False), object))


def _lacks(cells: pa.ChunkedArray, own: pa.ChunkedArray, name: str, what: str, problems: Problems) -> bool:
    """Whether cells are missing, which is told."""
    if pa.types.is_dictionary(cells.type):
        cells = cells.cast(cells.type.value_type)
    absent = cells.is_null(nan_is_null=True)
    if is_named(cells.type):
        absent = pc.or_kleene(absent, pc.fill_null(pc.equal(pc.utf8_trim_whitespace(named(cells)), ""), False))
    missing = np.flatnonzero(absent.to_numpy(zero_copy_only=False))
    if len(missing):
        has = counted(len(missing), "row has", "rows have")
        message, hint = marks_said(written_at(own, missing), what)
        problems.add(
            f"{has} no {what} in the column {name!r} ({rows_said(missing)}){message}", f"leave these rows out{hint}"
        )
    return bool(len(missing))


def _many_numbers(cells: pa.ChunkedArray) -> bool:
    """Whether a column's values look like amounts rather than like classes."""
    if not is_numeric(cells.type) or pa.types.is_boolean(cells.type):
        return False
    values = numbers(cells)
    distinct = np.unique(values[np.isfinite(values)])
    if not pa.types.is_integer(cells.type):
        return len(distinct) > MOST_DECIMALS or bool((distinct != np.floor(distinct)).any() and len(distinct) > 2)
    counts_up = len(distinct) and distinct[0] in (0, 1) and distinct[-1] - distinct[0] + 1 == len(distinct)
    return len(distinct) > max(MOST_DECIMALS, len(values) / SELDOM) and not counts_up


def _numbers(cells: pa.ChunkedArray, name: str, problems: Problems, *, guessed: bool) -> Targets:
    if not is_numeric(cells.type):
        problems.add(
            f"the column {name!r} holds values of the type {str(cells.type)!r}, and a regression learns numbers",
            "--task classes learns names",
        )
        return _nothing((name,))
    values = numbers(cells)
    infinite = np.flatnonzero(np.isinf(values))
    if len(infinite):
        problems.add(
            f"the column {name!r} holds infinite numbers ({rows_said(infinite)})",
            "leave them out, or put a number in their place",
        )
        return _nothing((name,))
    notes = (
        f"The column {name!r} holds {len(np.unique(values))} different numbers, so that it is learned as a number "
        "(--task regression); --task classes takes each number for a class.",
    )
    return Targets(task="regression", values=values, class_names=None, columns=(name,), notes=notes if guessed else ())


def _several_numbers(table: pa.Table, own: pa.Table, columns: tuple[str, ...], problems: Problems) -> Targets:
    read = []
    for name in columns:
        if _lacks(table.column(name), own.column(name), name, "number", problems):
            return _nothing(columns)
        found = _numbers(table.column(name), name, problems, guessed=False)
        if found.task != "regression":
            return _nothing(columns)
        read.append(found.values)
    return Targets(task="regression", values=np.stack(read, axis=1), class_names=None, columns=columns)


def _label(cells: pa.ChunkedArray, own: pa.ChunkedArray, name: str, problems: Problems) -> Int[np.ndarray, " row"]:
    """1 and 0 of a column of yes and no."""
    nothing = np.zeros(len(cells), np.int8)
    if _lacks(cells, own, name, "label", problems):
        return nothing
    if not (is_named(cells.type) or is_numeric(cells.type)):
        problems.add(
            f"the column {name!r} holds values of the type {str(cells.type)!r}, which are no labels",
            "labels are 0 and 1, yes and no, or true and false",
        )
        return nothing
    if is_named(cells.type):
        words = pc.utf8_lower(pc.utf8_trim_whitespace(named(cells))).to_numpy(zero_copy_only=False).astype(np.str_)
        yes, known = np.isin(words, _TRUE), np.isin(words, (*_TRUE, *_FALSE))
        shown = quoted(dict.fromkeys(words[~known].tolist()))
    else:
        values = numbers(cells)
        yes, known = values == 1, np.isin(values, (0, 1))
        shown = ", ".join(f"{value:g}" for value in dict.fromkeys(values[~known][:3].tolist()))
    if not known.all():
        problems.add(
            f"the column {name!r} is a label, and holds something else than 0 and 1 ({shown})",
            "labels are 0 and 1, yes and no, or true and false; a column of classes is the only --target, and numbers "
            "take --task regression",
        )
    return yes.astype(np.int8)


def _classes(cells: pa.ChunkedArray, name: str, problems: Problems) -> tuple[Int[np.ndarray, " row"], tuple[str, ...]]:
    """The index of each cell among the sorted values of its column, and the names of these."""
    nothing = np.zeros(len(cells), np.int64), ("a", "b")
    if is_named(cells.type):
        cells = named(cells)
    elif pa.types.is_dictionary(cells.type):
        cells = cells.cast(cells.type.value_type)
    if is_numeric(cells.type) and not pa.types.is_boolean(cells.type):
        values = cells.to_numpy() if pa.types.is_integer(cells.type) else numbers(cells)
        whole = np.isfinite(values) & (values == np.floor(values))
        if not whole.all():
            odd = values[~whole][0]
            problems.add(
                f"the column {name!r} holds numbers that are no classes, as {odd:g}",
                "--task regression learns a number; classes are names or whole numbers, as the number in bins",
            )
            return nothing
        distinct, targets = np.unique(values, return_inverse=True)
        names = tuple(str(int(value)) for value in distinct)
    elif is_named(cells.type) or pa.types.is_boolean(cells.type) or pa.types.is_temporal(cells.type):
        texts = np.array(inert_texts(plain_texts(named(cells).to_numpy(zero_copy_only=False))), np.str_)
        found, targets = np.unique(texts, return_inverse=True)
        names = tuple(found.tolist())
    else:
        problems.add(
            f"the column {name!r} holds values of the type {str(cells.type)!r}, which are no classes",
            "classes are texts or whole numbers",
        )
        return nothing
    if len(names) > max(2, _MOST_CLASSES * len(cells)):
        problems.add(
            f"the column {name!r} has {len(names)} different values in {len(cells)} rows, which are no classes",
            "name the column of the classes as the target, or say --task regression for a number",
        )
    return targets.astype(np.int64), names
