"""Decisions on examples: which to relabel, to remove or to review, and the person's own files with them applied."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from byrote.data.arrays import numbered
from byrote.data.csv_file import read_csv
from byrote.data.inert import inert
from byrote.data.problems import quoted
from byrote.errors import CHECK_THE_PATH, BadInput

RELABEL: Final = "relabel"
REMOVE: Final = "remove"
REVIEW: Final = "review"
CORRECT: Final = "correct"
#: What a page exports to correct numbers is a relabelling, too.
ACTIONS: Final = {RELABEL: RELABEL, CORRECT: RELABEL, REMOVE: REMOVE, REVIEW: REVIEW, "keep": REVIEW, "": REVIEW}
#: Where the new label stands: in a person's own column, or else what models without the example say.
NEW: Final = ("new_label", "models_without_it_say")
_HINT: Final = "the table of a report exports such a file, with a column `example` and one `action` an example."


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What is to be done with one example: `new` is its label after a relabelling, `given` the one that it has."""

    example: str
    action: str
    new: str = ""
    given: str = ""


def read_decisions(path: Path | str, *, usual: str = REVIEW) -> tuple[Decision, ...]:
    """The decisions in a CSV that a report's table exported, or of the same form; `usual` where it has no `action`.

    Raises:
        BadInput: there is no such file, it has no column `example`, an action is unknown or lacks its label, or an
            example stands in it twice.
    """
    if not Path(path).is_file():
        raise BadInput(f"There is no file {str(path)!r} of decisions.", hint=f"{CHECK_THE_PATH} Or: {_HINT}")
    table = read_csv(Path(path))[0]
    if "example" not in table.column_names:
        raise BadInput(
            f"The file {str(path)!r} has no column 'example'; it has {quoted(table.column_names)}.", hint=_HINT
        )
    found = tuple(_decision(row, path, usual) for row in table.to_pylist())
    names = [one.example for one in found]
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise BadInput(f"The file {str(path)!r} names {quoted(twice)} twice.", hint="leave one line for each example.")
    return found


def _decision(row: Mapping[str, str], path: Path | str, usual: str) -> Decision:
    said = (row.get("action") or usual).strip().casefold()
    if said not in ACTIONS:
        raise BadInput(
            f"The file {str(path)!r} has the action {said[:40]!r} for {row['example']!r}.",
            hint=f"the actions are {RELABEL}, {REMOVE}, {REVIEW} and keep.",
        )
    action = ACTIONS[said]
    new = next((_plain(row[name]) for name in NEW if row.get(name)), "")
    if action == RELABEL and not new:
        raise BadInput(
            f"The file {str(path)!r} gives {row['example']!r} no new label.",
            hint=f"write it into a column {NEW[0]!r}, or leave the line out.",
        )
    given = row.get("label") or row.get("number") or ""
    return Decision(example=_plain(row["example"]), action=action, new=new, given=_plain(given))


def _plain(cell: str) -> str:
    """A cell without the mark that keeps a spreadsheet from taking it for a formula."""
    return cell[1:] if cell[:1] == "'" and cell[1:2] in set("=+-@ \"'") else cell


def refuse_strangers(decisions: Sequence[Decision], known: Sequence[str], where: str) -> None:
    """Refuse decisions on examples that are not there.

    Raises:
        BadInput: there is one.
    """
    there = set(known)
    missing = [one.example for one in decisions if one.example not in there]
    if missing:
        raise BadInput(
            f"{len(missing)} of the {len(decisions)} examples decided on are not in {where}: {quoted(missing)}.",
            hint=f"its ids are such as {quoted(list(known)[:3])}.",
        )


def apply_decisions(
    source: Path | str,
    out: Path | str,
    decisions: Sequence[Decision],
    *,
    target: str = "",
    id: str | None = None,  # noqa: A002
    skip: Callable[[str], bool] = lambda example: False,
) -> tuple[Decision, ...]:
    """Write a table (.csv, .tsv, .parquet) or a folder of images again, with labels changed and examples left out.

    All other cells, files and their order stay. `target` and `id` are the columns of a table. Examples for which `skip`
    holds are not of the source, as planted ones, and are left alone. The decisions that were applied are handed back.

    Raises:
        BadInput: an example is not in the source, the source is of another kind, or `out` is there already.
    """
    source, out = Path(source), Path(out)
    if out.exists():
        raise BadInput(f"{str(out)!r} is there already, and byrote overwrites nothing of yours.", hint="--out ANOTHER.")
    mine = tuple(one for one in decisions if one.action in (RELABEL, REMOVE) and not skip(one.example))
    if source.is_dir():
        _folder(source, out, mine)
    elif source.suffix == ".parquet":
        _parquet(source, out, mine, target, id)
    elif source.suffix in (".csv", ".tsv", ".txt"):
        _csv(source, out, mine, target, id)
    else:
        raise BadInput(
            f"Decisions are not applied to files like {source.name!r}.",
            hint="tables (.csv, .tsv, .parquet) and folders of images are; change other data where they are made.",
        )
    return mine


def _rows_of(table: pa.Table, source: Path, id: str | None, mine: Sequence[Decision]) -> dict[str, int]:  # noqa: A002
    name = inert(source.name.partition(".")[0]) or "table"
    ids = numbered(name, len(table)).tolist() if id is None else [inert(str(one)) for one in table[id].to_pylist()]
    refuse_strangers(mine, ids, source.name)
    return {name: row for row, name in enumerate(ids)}


def _spelled(labels: Sequence[str]) -> dict[str, str]:
    """How a file writes each class: the first cell that stands for it."""
    found: dict[str, str] = {}
    for label in labels:
        found.setdefault(inert(label.strip()), label)
    return found


def _csv(source: Path, out: Path, mine: Sequence[Decision], target: str, id: str | None) -> None:  # noqa: A002
    table, delimiter = read_csv(source)
    rows = _rows_of(table, source, id, mine)
    spelled, cells = _spelled(table[target].to_pylist()), table.to_pydict()
    for one in mine:
        if one.action == RELABEL:
            cells[target][rows[one.example]] = spelled.get(one.new, one.new)
    gone = {rows[one.example] for one in mine if one.action == REMOVE}
    written = io.StringIO()
    ends = "\r\n" if b"\r\n" in source.read_bytes() else "\n"
    writer = csv.writer(written, delimiter=delimiter, lineterminator=ends)
    writer.writerow(table.column_names)
    writer.writerows(line for row, line in enumerate(zip(*cells.values(), strict=True)) if row not in gone)
    out.write_text(written.getvalue(), "utf-8", newline="")


def _parquet(source: Path, out: Path, mine: Sequence[Decision], target: str, id: str | None) -> None:  # noqa: A002
    table = pq.read_table(source)
    rows = _rows_of(table, source, id, mine)
    column = table[target].to_pylist()
    spelled = {inert(str(cell).strip()): cell for cell in column[::-1]}
    for one in mine:
        if one.action == RELABEL:
            column[rows[one.example]] = spelled[one.new] if one.new in spelled else float(one.new)
    place = table.column_names.index(target)
    changed = table.set_column(place, table.schema.field(target), pa.array(column, table.schema.field(target).type))
    gone = {rows[one.example] for one in mine if one.action == REMOVE}
    pq.write_table(changed.take([row for row in range(len(table)) if row not in gone]), out)


def _folder(source: Path, out: Path, mine: Sequence[Decision]) -> None:
    files = {str(path.relative_to(source)): path for path in sorted(source.rglob("*")) if path.is_file()}
    refuse_strangers(mine, list(files), source.name)
    by_id = {one.example: one for one in mine}
    for name, path in sorted(files.items(), key=lambda item: item[0] in by_id):  # what stays keeps its name
        one = by_id.get(name)
        if one is not None and one.action == REMOVE:
            continue
        relative = Path(name)
        place = out / (relative if one is None else relative.parent.parent / one.new / relative.name)
        if place.exists():
            place = place.with_name(f"{relative.parent.name}-{place.name}")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
