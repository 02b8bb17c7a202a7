"""Decisions on examples: which to relabel, to remove or to review."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
from jaxtyping import Int

from byrote.data.csv_file import read_csv
from byrote.data.inert import spreadsheet_cell
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
_HINT: Final = "the table of a report exports such a file, with a column `example` and one `action` per example."


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
    try:
        table = read_csv(Path(path))[0]
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise BadInput(f"The file {str(path)!r} of decisions cannot be read.", hint="save it as CSV UTF-8.") from error
    if "example" not in table.column_names:
        raise BadInput(
            f"The file {str(path)!r} has no column 'example'; it has {quoted(table.column_names)}.", hint=_HINT
        )
    found = tuple(_decision(row, path, usual) for row in table.to_pylist())
    twice = sorted(name for name, count in Counter(one.example for one in found).items() if count > 1)
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
    return cell[1:] if spreadsheet_cell(cell[1:]) == cell else cell


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


def of_several(name: str) -> BadInput:
    """What to say where examples of the dataset of that name are to get new targets and have several each."""
    return BadInput(
        f"The examples of {name!r} have several targets each, and a file gives one.",
        hint="change the data themselves, or decide only to remove.",
    )


def refuse_within(source: Path, out: Path) -> None:
    """Refuse to write a folder into the one that it is made from.

    Raises:
        BadInput: so it would be.
    """
    if out.resolve().is_relative_to(source.resolve()):
        raise BadInput(f"{str(out)!r} lies in the folder {str(source)!r} itself.", hint="--out ../cleaned.")


def without_labels(new: Sequence[Decision]) -> BadInput:
    """What to say of documents that are to be relabelled."""
    return BadInput(
        f"Documents of a corpus have no label, and {quoted([one.example for one in new])} shall get another.",
        hint="decide to remove them.",
    )


def refuse_classes(new: Sequence[Decision], names: Sequence[str], where: str) -> None:
    """Refuse new labels that are none of these classes.

    Raises:
        BadInput: one is such.
    """
    unknown = sorted({one.new for one in new} - set(names))
    if unknown:
        raise BadInput(f"The classes of {where!r} have no {quoted(unknown)}.", hint=f"its classes are {quoted(names)}.")


def rows_like(
    new: Sequence[Decision], kinds: Int[np.ndarray, " example"], names: Sequence[str], where: str
) -> list[int]:
    """For each decision the first example that has the new class, or set of labels; `names` are those of `kinds`.

    Raises:
        BadInput: no example has it.

    Example:
        >>> rows_like([Decision(example="a", action="relabel", new="dog")], np.array([0, 1, 1]), ("cat", "dog"), "pets")
        [1]
    """
    present, first = np.unique(kinds, return_index=True)
    known = {names[kind]: row for kind, row in zip(present.tolist(), first.tolist(), strict=True)}
    refuse_classes(new, list(known), where)
    return [known[one.new] for one in new]


def number_of(one: Decision) -> float:
    """The new target as a number.

    Raises:
        BadInput: it is none.
    """
    try:
        number = float(one.new.replace("\u2212", "-"))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise BadInput(f"A new number cannot be read: {one.new[:40]!r}.", hint="write it as 12.5, without a unit.")
    return number
