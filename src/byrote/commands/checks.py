"""Commands that judge a run: conditions for somebody's CI, and whether the folder is whole."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from byrote.commands.terminal import RunFolder, err, say

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
    strict: Annotated[bool, typer.Option("--strict", help="Fail where the interval reaches over the bound.")] = False,
    junit_file: Annotated[Path | None, typer.Option("--junit", help="Write a JUnit file for a CI.")] = None,
) -> None:
    """Fail, with status 1, where a run meets a condition that it must not meet."""
    from byrote.checking import check, junit, junit_refused
    from byrote.errors import ByroteError
    from byrote.evidence.shards import write_bytes
    from byrote.run import Run

    try:
        run = Run.open(run_folder)
        with err.status("Measuring…"):
            verdicts = check(run, fail_if)
    except ByroteError as error:
        if junit_file is not None:
            write_bytes(junit_file, junit_refused(fail_if, run_folder.name, str(error)))
        raise
    for verdict in verdicts:
        say(f"{'FAIL' if verdict.failed(strict=strict) else 'pass'}  {verdict.sentence()}")
    if junit_file is not None:
        write_bytes(junit_file, junit(verdicts, run.folder.name, strict=strict))
        say(f"File: {junit_file}")
    if any(verdict.failed(strict=strict) for verdict in verdicts):
        raise typer.Exit(FAILED)


def verify(run_folder: RunFolder) -> None:
    """Check every checksum of a run, and that its tables and report follow from the evidence."""
    from byrote.errors import RunMismatch
    from byrote.experiments import SourceGone, with_contents
    from byrote.progress import measuring
    from byrote.run import Run
    from byrote.verifying import Fault, verify

    run, gone, other = Run.open(run_folder), "", ""
    try:
        run = with_contents(run)
    except SourceGone as error:
        gone = error.message
    except RunMismatch as error:
        other = f"{error.message.rstrip('.')}: the manifest was edited, or the source is another one now"
    with measuring(err) as hear:
        faults = verify(run, hear, contents=not gone and not other)
    if other:
        faults.insert(0, Fault(where="manifest.json", problem=other))
    for fault in faults:
        say(f"{fault.where}: {fault.problem.rstrip('.')}.")
    if faults:
        raise typer.Exit(FAILED)
    if gone:
        say(f"{gone} So report.html, which shows the data, was not checked.")
        say("Every checksum fits, and the tables and report.json follow from the evidence.")
        return
    say("Every checksum fits, and the tables and the report follow from the evidence.")
