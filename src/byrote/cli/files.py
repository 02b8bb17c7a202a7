"""Commands that bring in what others computed, and hand out what they take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from byrote.cli.answers import say, say_file
from byrote.cli.terminal import RunFolder
from byrote.report.text import capital


def read(
    format_: Annotated[str, typer.Argument(metavar="FORMAT", help="mi_lira_2021, privacy_meter, leakpro, c_score, …")],
    path: Annotated[Path, typer.Argument(help="The file or folder.")],
    out_folder: Annotated[Path, typer.Option("--out", help="The run folder to make.")],
    labels: Annotated[
        Path | None, typer.Option(help="An .npy file of your dataset's labels, which the order is checked against.")
    ] = None,
) -> None:
    """Make a run of what others computed, its order checked; nothing is ever unpickled."""
    from byrote.runs import readers

    run = readers.read(format_, path, out_folder, labels=None if labels is None else readers.labels_in(labels))
    say(repr(run))
    for note in run.manifest.notes:
        say(f"{capital(note).rstrip('.')}.")


def export(
    format_: Annotated[str, typer.Argument(metavar="FORMAT", help="cleanlab or csv.")],
    run_folder: RunFolder,
    path: Annotated[Path, typer.Argument(help="The file to write: .npz for cleanlab, .csv.")],
) -> None:
    """Write out-of-sample class probabilities for cleanlab, or a CSV of every example with its scores."""
    from byrote.errors import BadInput
    from byrote.runs.exporters import cleanlab, spreadsheet
    from byrote.runs.run import Run

    if format_ == "csv":
        say(f"{spreadsheet.write(Run.open(run_folder), path):,} examples with their scores.")
    elif format_ == "cleanlab":
        say(f"{cleanlab.write(Run.open(run_folder), path)!r}")
    else:
        raise BadInput(f"There is no exporter for {format_!r}.", hint="cleanlab and csv are there.")
    say_file("File", path, apart=False)
