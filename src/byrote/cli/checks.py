"""Commands that judge a run: conditions for somebody's CI, and whether the folder is whole."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from byrote.cli.answers import say, say_file
from byrote.cli.ask import present
from byrote.cli.consoles import err
from byrote.cli.terminal import Given, RunFolder

if TYPE_CHECKING:
    from byrote.report.verify import Fault
    from byrote.runs.run import Run

#: The status of a check that fails; 2 is that of a command that could not be carried out.
FAILED = 1


def check(
    run_folder: RunFolder,
    fail_if: Annotated[
        list[str],
        typer.Option(
            "--fail-if", help="As in 'label_memorization.top1% > .5' (the mean of the highest 1 %); may be given again."
        ),
    ],
    strict: Annotated[
        bool, typer.Option("--strict", help="Also fail if the interval contains the bound or is unknown.")
    ] = False,
    junit_file: Annotated[Path | None, typer.Option("--junit", help="Write a JUnit file for a CI.")] = None,
) -> None:
    """Fail, with status 1, where a run meets a condition that it must not meet."""
    from byrote.analyses.check import as_table, check, junit, junit_refused
    from byrote.errors import ByroteError
    from byrote.evidence.made_here import write_own
    from byrote.runs.run import Run

    try:
        run = Run.open(run_folder)
        with err.status("Measuring…"):
            verdicts = check(run, fail_if)
    except ByroteError as error:
        if junit_file is not None:
            write_own(junit_file, junit_refused(fail_if, run_folder.name, str(error)))
        raise
    present("check", as_table(verdicts), strict=strict)
    if junit_file is not None:
        write_own(junit_file, junit(verdicts, run.folder.name, strict=strict))
        say_file("File", junit_file, apart=False)
    if any(verdict.failed(strict=strict) for verdict in verdicts):
        raise typer.Exit(FAILED)


def verify(run_folder: RunFolder, source: Given = None) -> None:
    """Check every digest of a run, and that all that byrote derives from its evidence follows; nothing is written.

    It ends with status 0 where nothing is wrong, 1 where something is, and 2 where the folder is no run or its manifest
    cannot be read. The digest that it prints is that of the whole folder: two people with the same have the same run.
    """
    from byrote.engine.progress import measuring
    from byrote.evidence.manifest import Manifest
    from byrote.report.verify import Verified, damage, examine, folder_digest
    from byrote.runs.run import Run

    manifest = Manifest.read(run_folder)
    with measuring(err) as on_progress:
        faults = damage(run_folder, manifest)
        run, missing, other = (None, "", None) if faults else _with_data(Run.open(run_folder), source)
        found = Verified(faults=tuple(faults)) if run is None else examine(run, on_progress)
    faults = [*([] if other is None else [other]), *found.faults]
    for fault in faults:
        say(f"{fault.where}: {fault.problem.rstrip('.')}.")
    for one in found.unchecked:
        say(f"Not checked: {one.where}: {one.problem.rstrip('.')}.")
    if manifest.tables is None:
        say("The tables were not checked by their maker: version 0.1.0 wrote no digests of them.")
    if missing:
        say(missing)
    say(f"SHA-256 of the folder: {folder_digest(run_folder)}", unbroken=True)
    if faults:
        raise typer.Exit(FAILED)
    say("Every digest fits, and all that was checked follows from the evidence.")


def _with_data(run: Run, source: Path | None) -> tuple[Run, str, Fault | None]:
    """The run with its data; else why they are not at hand, or what of the run is not that of the data."""
    from byrote.cli.sources import with_contents
    from byrote.errors import OtherExamples, RunMismatch
    from byrote.evidence.made_here import SourceGone
    from byrote.evidence.manifest import FILE
    from byrote.evidence.tables import EXAMPLES
    from byrote.report.verify import Fault

    try:
        return with_contents(run, source), "", None
    except SourceGone as error:
        problem = f"{error.message} So ids, labels and digests were not held against the data."
        return run, f"{problem} To get it: {error.hint}", None
    except OtherExamples as error:
        return run, "", Fault(where=EXAMPLES, problem=error.message)
    except RunMismatch as error:
        problem = f"{error.message.rstrip('.')}: the manifest was edited, or the source is another one now"
        return run, "", Fault(where=FILE, problem=problem)
