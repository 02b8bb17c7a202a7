"""What the commands share: common arguments, and what they say of a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from byrote.cli.answers import say, say_file
from byrote.cli.consoles import err

if TYPE_CHECKING:
    from byrote.runs.run import Run


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
Workers = Annotated[
    int | None, typer.Option(min=1, help="Number of training processes (default: number of CPU cores).")
]


def say_kept(run: Run, what: str, path: Path) -> None:
    """Where a table of a run is, or why it could not be kept."""
    why = run.unkept.get(path.name)
    if why is None:
        say_file(what, path, apart=False)
    else:
        say(f"{what}: not kept. {why}")


def with_contents_if_admitted(run: Run, given: Path | None, without: str) -> Run:
    """The run with its data; a run of others without, if they are not given, and it is said what that leaves out."""
    from byrote.cli.sources import with_contents
    from byrote.evidence.made_here import SourceForeign

    try:
        return with_contents(run, given)
    except SourceForeign as error:
        err.print(escape(f"{error.message} {without} To get it: {error.hint}"), highlight=False)
        return run
