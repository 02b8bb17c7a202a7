"""What the commands share: two consoles, tables, and common arguments."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from byrote.data.inert import inert

if TYPE_CHECKING:
    from byrote.runs.run import Run

out = Console()
err = Console(stderr=True)

RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")]
#: What a run was made from, as the person says: in place of what its manifest names, which others may have written.
Given = Annotated[
    Path | None,
    typer.Option(
        "--source",
        metavar="FILE",
        help="What the run was made from, for a run of others or one whose source was moved; a .py file is run.",
    ),
]
Workers = Annotated[int | None, typer.Option(min=1, help="Training processes; as many as cores unless given.")]


def say(sentence: str) -> None:
    """One sentence, as it is."""
    out.print(escape(sentence), highlight=False)


def say_file(what: str, path: Path) -> None:
    """Where a file is that was written, after an empty line."""
    out.print(f"\n{what}: {path}", highlight=False, soft_wrap=True, markup=False)


def say_kept(run: Run, what: str, path: Path) -> None:
    """Where a table of a run is, or why it could not be kept."""
    why = run.unkept.get(path.name)
    say(f"{what}: {path}" if why is None else f"{what}: not kept. {why}")


def with_contents_if_admitted(run: Run, given: Path | None, without: str) -> Run:
    """The run with its data; a run of others without, if they are not given, and it is said what that leaves out."""
    from byrote.cli.sources import with_contents
    from byrote.evidence.made_here import SourceForeign

    try:
        return with_contents(run, given)
    except SourceForeign as error:
        err.print(escape(f"{error.message} {without} To have it: {error.hint}"), highlight=False)
        return run


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Columns of numbers at the right, of words at the left."""
    grid = Table(box=None, pad_edge=False)
    for number, column in enumerate(columns):
        numeric = bool(rows) and isinstance(rows[0][number], int | float)
        grid.add_column(column, justify="right" if numeric else "left", no_wrap=not number)
    for row in rows:
        grid.add_row(*[escape(_shown(cell)) for cell in row])
    out.print(grid)


def _shown(cell: object) -> str:
    """A cell as text; a number that nobody knows is a dash."""
    if isinstance(cell, float):
        return "–" if math.isnan(cell) else f"{cell:.3g}"
    return inert(str(cell))
