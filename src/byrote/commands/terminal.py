"""What the commands share: two consoles, tables, and common arguments."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from byrote.data.inert import inert

out = Console()
err = Console(stderr=True)

RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Training processes; as many as cores unless given.")]


def say(sentence: str) -> None:
    """One sentence, as it is."""
    out.print(escape(sentence), highlight=False)


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
