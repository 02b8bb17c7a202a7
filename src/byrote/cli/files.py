"""Commands that bring in what others computed, and hand out what they take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from byrote.cli.answers import say, say_file
from byrote.cli.terminal import Given, RunFolder
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


def apply(
    run_folder: RunFolder,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Decisions, as the table of a report exports them.")],
    out: Annotated[Path, typer.Option("--out", help="The cleaned table or folder to write; it must not be there.")],
    source: Given = None,
) -> None:
    """Write your own table or folder of images again, relabelled and without what is to be removed."""
    from byrote.cli.sources import with_contents
    from byrote.data.applied import apply_decisions
    from byrote.data.decisions import REVIEW, read_decisions
    from byrote.errors import BadInput
    from byrote.evidence.made_here import admitted, known_files
    from byrote.runs.run import Run

    run = Run.open(run_folder)
    made = run.manifest.source or {}
    reading = made.get("reading") or {}
    if source is None and "reading" not in made:
        raise BadInput(
            f"The run {str(run_folder)!r} was not made from a table or a folder of images.",
            hint="byrote apply writes such files again; of other sources change the data where they are made.",
        )
    with_contents(run, source)  # numbered rows of another file are other rows
    place = source or admitted(Path(str(made["name"])), known_files(run.manifest.identifier))
    planted = set(run.controls.example.tolist())
    decisions = read_decisions(file)
    done = apply_decisions(
        place,
        out,
        decisions,
        target=reading.get("target") or "",
        id=reading.get("id"),
        task=reading.get("task"),
        skip=planted.__contains__,
    )
    for one in done:
        say(f"{one.example}: {one.action}{f' as {one.new}' if one.new and one.action != 'remove' else ''}")
    left = sum(one.action == REVIEW for one in decisions)
    skipped = len(decisions) - len(done) - left
    say(
        f"{len(done):,} applied, {left:,} left to review"
        + (f", {skipped:,} of planted controls" if skipped else "")
        + "."
    )
    say_file("File", out, apart=False)
