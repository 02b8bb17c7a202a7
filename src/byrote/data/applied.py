"""Decisions applied: a person's own table, arrays, folder or shards of images, written again with them."""

from __future__ import annotations

import csv
import gzip
import io
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from byrote.data.applied_arrays import write_npy_folder, write_npz
from byrote.data.applied_shards import write_shards
from byrote.data.csv_file import SEPARATOR_LINE
from byrote.data.decisions import (
    NEW,
    RELABEL,
    REMOVE,
    Decision,
    number_of,
    of_several,
    refuse_classes,
    refuse_strangers,
    refuse_within,
    rows_like,
)
from byrote.data.image_folder import class_files
from byrote.data.inert import inert, spreadsheet_cell
from byrote.data.npy_folder import is_npy_folder
from byrote.data.parquet import read_parquet
from byrote.data.table import PARQUET, TEXT, Facts, Rows, facts_of, read_table
from byrote.data.tar_shards import is_shards
from byrote.data.targets import Target
from byrote.data.task import Task, scale_of
from byrote.errors import CHECK_THE_PATH, BadInput

#: The mark that some files in UTF-8 begin with.
_MARK: Final = "\ufeff"


def apply_decisions(
    source: Path | str,
    out: Path | str,
    decisions: Sequence[Decision],
    *,
    target: Target = "",
    id: str | None = None,  # noqa: A002  # as the option is called
    task: Task | None = None,
    skip: Callable[[str], bool] = lambda example: False,
) -> tuple[Decision, ...]:
    """Write a table (.csv, .tsv, .parquet), an .npz file, a folder of .npy files or of images, or shards of images
    (.tar) again, with labels changed and examples left out.

    All other cells, files and their order stay. `target`, `id` and `task` are how a table is read. Examples for which
    `skip` holds are not of the source, as planted ones, and are left alone. A list of the decisions that were applied
    is written beside `out`, and handed back.

    Raises:
        BadInput: an example is not in the source, a new label is none of its classes, the source is of another kind,
            or `out` is there already or would be of another kind.
    """
    source, out = Path(source), Path(out)
    refuse_taken(source, out)
    mine = applied_to(decisions, skip)
    if is_npy_folder(str(source)):
        write_npy_folder(source, out, mine, task=task)
    elif is_shards(str(source)):
        write_shards(source, out, mine)
    elif source.is_dir():
        write_folder(source, out, mine)
    elif source.suffix.lower() == ".npz":
        write_npz(source, out, mine, task=task)
    else:
        write_table(source, out, mine, target=target, id=id, task=task)
    write_list(out, mine)
    return mine


def applied_to(decisions: Sequence[Decision], skip: Callable[[str], bool]) -> tuple[Decision, ...]:
    """Those decisions that change something of the source."""
    return tuple(one for one in decisions if one.action in (RELABEL, REMOVE) and not skip(one.example))


def refuse_taken(source: Path, out: Path) -> None:
    """Refuse a source that is not there, and a place where something is.

    Raises:
        BadInput: so it is.
    """
    for place in (out, list_beside(out)):
        if place.exists():
            raise BadInput(
                f"{str(place)!r} is there already, and byrote overwrites nothing of yours.", hint="--out ANOTHER."
            )
    if not source.exists():
        raise BadInput(f"There is no file or folder {str(source)!r}.", hint=CHECK_THE_PATH)


def list_beside(out: Path) -> Path:
    """The list of decisions that were applied to make `out`.

    Example:
        >>> list_beside(Path("data/cleaned.csv")).name
        'cleaned.csv.decisions.csv'
    """
    return out.with_name(f"{out.name}.decisions.csv")


def write_list(out: Path, done: Sequence[Decision]) -> None:
    """Write what was applied as a file of decisions beside `out`."""
    with list_beside(out).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("example", "action", "label", NEW[0]))
        rows = ((one.example, one.action, one.given, one.new if one.action == RELABEL else "") for one in done)
        writer.writerows([spreadsheet_cell(cell) for cell in row] for row in rows)


def write_table(
    source: Path,
    out: Path,
    mine: Sequence[Decision],
    *,
    target: Target,
    id: str | None,  # noqa: A002  # as the option is called
    task: Task | None,
) -> None:
    """Write a table again; cells that nothing was decided on stay as they are written.

    Raises:
        BadInput: the file is no table, `out` ends otherwise, or a decision cannot be applied.
    """
    kind = next((endings for endings in (TEXT, PARQUET) if source.name.lower().endswith(endings)), ())
    if not kind:
        raise BadInput(
            f"Decisions are not applied to files like {source.name!r}.",
            hint="tables (.csv, .tsv, .parquet), .npz files and folders are; change other data where they are made.",
        )
    if not out.name.lower().endswith(kind):
        raise BadInput(
            f"The table {source.name!r} is not written to a file like {out.name!r}.", hint=f"--out cleaned{kind[0]}."
        )
    rows = read_table(source, written=(id,), target=target, task=task)
    facts = facts_of(rows, source, target=target, group=None, id=id, task=task)
    place = _places(facts, source, mine)
    table = rows.own if kind == TEXT else read_parquet(source, f"The table {str(source)!r}")
    new = [one for one in mine if one.action == RELABEL]
    if new:
        given = [table[name] for name in facts.targets.columns]
        for name, cells in zip(
            facts.targets.columns,
            _relabelled(given, facts, [place[one.example] for one in new], new, rows),
            strict=True,
        ):
            at = table.column_names.index(name)
            table = table.set_column(at, table.schema.field(at), cells)
    gone = [place[one.example] for one in mine if one.action == REMOVE]
    table = table.take(np.setdiff1d(np.arange(len(table)), gone))
    if rows.delimiter is None:
        pq.write_table(table, out)
    else:
        _write_text(source, out, table, rows.delimiter)


def _places(facts: Facts, source: Path, mine: Sequence[Decision]) -> dict[str, int]:
    ids = facts.ids.tolist()
    refuse_strangers(mine, ids, source.name)
    place = {name: row for row, name in enumerate(ids)}
    if len(place) < len(ids):
        raise BadInput(
            f"Rows of {source.name!r} have the same id, so they cannot be distinguished.",
            hint="give each row an id of its own, or apply the decisions to the table that the run was made from.",
        )
    return place


def _relabelled(
    columns: Sequence[pa.ChunkedArray], facts: Facts, rows: Sequence[int], new: Sequence[Decision], read: Rows
) -> list[pa.ChunkedArray]:
    """The target's columns: a class, or a set of labels, as the first row of it writes it, a number as its column's
    others are written.
    """
    targets = facts.targets
    scale = scale_of(targets.task, targets.values, targets.class_names or ())
    if not scale.numeric:
        order = np.arange(len(facts.ids))
        names = scale.kind_names(targets.class_names or ())
        order[list(rows)] = rows_like(new, scale.index(targets.values), names, facts.name)
        return [cells.take(order) for cells in columns]
    if scale.several:
        raise of_several(facts.name)
    return [_numbered(cells, targets.columns[0], rows, new, read) for cells in columns]


def _numbered(
    cells: pa.ChunkedArray, name: str, rows: Sequence[int], new: Sequence[Decision], read: Rows
) -> pa.ChunkedArray:
    written = cells.to_pylist()
    comma = read.delimiter == ";" and any("," in str(cell) for cell in written)
    for row, one in zip(rows, new, strict=True):
        number = number_of(one)
        text = f"{number!r}".removesuffix(".0")
        if read.delimiter is None:
            written[row] = _stored(number, cells.type, name)
        else:
            written[row] = text.replace(".", ",") if comma else text
    return pa.chunked_array([pa.array(written, cells.type)])


def _stored(number: float, kind: pa.DataType, name: str) -> Any:
    """The number as a column of that type holds it."""
    try:
        return pa.scalar(number).cast(kind).as_py()
    except pa.ArrowInvalid:
        raise BadInput(
            f"The column {name!r} of the type {kind} does not hold {number}.",
            hint="write whole numbers, or save the column as float64.",
        ) from None


def _write_text(source: Path, out: Path, table: pa.Table, delimiter: str) -> None:
    """The rows as text that begins and ends its lines as the source does."""
    with pa.input_stream(str(source), compression="detect") as stream:
        start = stream.read(1 << 16).decode("utf-8", "replace")
    mark = _MARK if start.startswith(_MARK) else ""
    line = SEPARATOR_LINE.match(start.removeprefix(_MARK))
    first = start.partition("\n")[0]
    written = io.StringIO()
    written.write(mark + (line[0] if line else ""))
    writer = csv.writer(written, delimiter=delimiter, lineterminator="\r\n" if first.endswith("\r") else "\n")
    writer.writerow(table.column_names)
    writer.writerows(zip(*(column.to_pylist() for column in table.columns), strict=True))
    content = written.getvalue().encode()
    out.write_bytes(gzip.compress(content, mtime=0) if out.name.lower().endswith(".gz") else content)


def write_folder(source: Path, out: Path, mine: Sequence[Decision]) -> None:
    """Write a folder of images again: an image goes to the folder of its new class, all other files to their place.

    Raises:
        BadInput: a decision is about no image or class of it, or `out` lies in it.
    """
    refuse_within(source, out)
    images = {file.id: (file, root) for file, root in class_files(source)}
    refuse_strangers(mine, list(images), source.name)
    classes = {inert(file.name): file.name for file, _ in images.values()}
    refuse_classes([one for one in mine if one.action == RELABEL], sorted(classes), source.name)
    moved = {images[one.example][0].path: one for one in mine}
    linked = {root / file.name for file, root in images.values() if (root / file.name).is_symlink()}
    files = sorted({path for top in (source, *sorted(linked)) for path in _all_files(top)})
    places: dict[Path, Path] = {path.relative_to(source): path for path in files if path not in moved}
    for path, one in moved.items():
        if one.action == RELABEL:
            file, root = images[one.example]
            place = (root / classes[one.new] / path.relative_to(root / file.name)).relative_to(source)
            places[_free(place, file.name, places.__contains__)] = path
    for place, path in places.items():
        (out / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, out / place)


def _all_files(top: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(top):
        yield from (path for path in (Path(folder) / name for name in names) if path.is_file())


def _free(place: Path, old: str, taken: Callable[[Path], bool]) -> Path:
    """A place that no file has: else the name with its old class before it, and a number where that is taken, too."""
    free, number = place, 1
    while taken(free):
        free = place.with_name(f"{old}-{place.name}" if number == 1 else f"{old}-{number}-{place.name}")
        number += 1
    return free
