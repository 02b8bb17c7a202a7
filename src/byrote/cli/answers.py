"""What a command says: lines and tables on the terminal, or with `--json` one document of the same for programs."""

from __future__ import annotations

import functools
import inspect
import json
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer
from rich.markup import escape
from rich.table import Table

from byrote.cli.consoles import out
from byrote.data.inert import inert
from byrote.errors import ByroteError

Json = Annotated[bool, typer.Option("--json", help="Print what is found as one JSON document.")]
#: What a document has of a figure; NaN, which JSON does not have, is null.
FIGURE = ("value", "stderr", "low", "high", "varies_over", "models", "examples", "reason")


@dataclass
class Answer:
    """What a command said so far: sentences, tables, and files by what they hold."""

    said: list[str] = field(default_factory=list)
    tables: list[dict[str, Any]] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)


_GATHERED: list[Answer] = []


def say(sentence: str, *, unbroken: bool = False) -> None:
    """One sentence, as it is; `unbroken` leaves it in one line, so that it can be copied."""
    if _GATHERED:
        _GATHERED[-1].said += [sentence] if sentence else []
    else:
        out.print(escape(sentence), highlight=False, soft_wrap=unbroken)


def say_file(what: str, path: Path, *, apart: bool = True) -> None:
    """Where a file is that was written; `apart` puts an empty line before it."""
    if _GATHERED:
        _GATHERED[-1].files[what] = str(path)
    else:
        start = "\n" if apart else ""
        out.print(escape(f"{start}{what}: {path}"), highlight=False, soft_wrap=True)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Columns of numbers at the right, of words and figures with errors at the left."""
    if _GATHERED:
        values = [[_value(cell) for cell in row] for row in rows]
        _GATHERED[-1].tables.append({"columns": list(columns), "rows": values})
        return
    grid = Table(box=None, pad_edge=False)
    for number, column in enumerate(columns):
        numeric = bool(rows) and isinstance(rows[0][number], int | float)
        grid.add_column(column, justify="right" if numeric else "left", no_wrap=not number)
    for row in rows:
        grid.add_row(*[escape(_shown(cell)) for cell in row])
    out.print(grid)


def _shown(cell: object) -> str:
    """A cell as text; a number that nobody knows is a dash."""
    from byrote.results import Scalar, decimal, plain_number

    return decimal(cell) if isinstance(cell, Scalar) else inert(plain_number(cell))


def _value(cell: object) -> object:
    """A cell in JSON's types."""
    from byrote.results import Scalar

    if isinstance(cell, Scalar):
        return {name: _value(getattr(cell, name)) for name in FIGURE}
    if isinstance(cell, float):
        return cell if math.isfinite(cell) else None
    return cell if isinstance(cell, str | int | bool | None) else str(cell)


@contextmanager
def answering(command: str) -> Iterator[None]:
    """Gather what a command says, and print it as one document when it ends, in an error too."""
    answer = Answer()
    _GATHERED.append(answer)
    failed: dict[str, str] = {}
    try:
        yield
    except ByroteError as error:
        failed = {"error": error.message, "hint": error.hint}
        raise
    finally:
        _GATHERED.pop()
        print_json({"command": command, **vars(answer), **failed})


def print_json(document: dict[str, Any]) -> None:
    """One document, and nothing of the terminal's in it."""
    typer.echo(json.dumps(document, indent=1, allow_nan=False, ensure_ascii=False))


def answers(command: Callable[..., Any]) -> Callable[..., Any]:
    """The command with `--json`.

    Example:
        >>> def count(rows: int) -> None:
        ...     say(f"{rows} rows.")
        >>> answers(count)(rows=3, json=True)
        {
         "command": "count",
         "said": [
          "3 rows."
         ],
         "tables": [],
         "files": {}
        }
    """
    hints = get_type_hints(command, include_extras=True)
    keyword = inspect.Parameter.KEYWORD_ONLY
    own = [
        each.replace(annotation=hints[name], kind=keyword)
        for name, each in inspect.signature(command).parameters.items()
    ]
    added = inspect.Parameter("json", keyword, default=False, annotation=Json)

    @functools.wraps(command)
    def run(*, json: bool = False, **given: Any) -> Any:
        if not json:
            return command(**given)
        with answering(command.__name__):
            return command(**given)

    run.__signature__ = inspect.Signature([*own, added])  # type: ignore[attr-defined]  # Typer reads it
    run.__annotations__ = {each.name: each.annotation for each in (*own, added)}
    return run
