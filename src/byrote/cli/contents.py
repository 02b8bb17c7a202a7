"""The command that takes contents out of a run."""

from __future__ import annotations

from typing import Annotated

import typer

from byrote.cli.answers import say
from byrote.cli.consoles import err
from byrote.cli.terminal import RunFolder
from byrote.data.inert import inert

Redact = Annotated[
    bool, typer.Option("--redact", help="Leave contents (pictures, rows, texts) out of the report, to pass it on.")
]


def forget_contents(
    run_folder: RunFolder,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove contents (texts, secrets, digests, names of groups, pictures) from a run; what was measured stays."""
    from byrote.engine.progress import measuring
    from byrote.report.redact import forget_contents, holdings, kept
    from byrote.runs.run import Run

    run = Run.open(run_folder)
    found = holdings(run)
    if run.forgotten and all(holding.where.startswith("report.") for holding in found):
        say("The contents of this run were forgotten before.")
        return
    say("These will be deleted permanently:")
    for holding in found:
        say(f"  {inert(holding.where)}: {holding.what}")
    staying = kept(run)
    if staying:
        say("These stay:")
        for holding in staying:
            say(f"  {inert(holding.where)}: {holding.what}")
    say(
        "Ids, labels, class names, scores and, of texts, the probabilities of their tokens stay too: whoever holds the "
        "model itself can find texts again by those."
        if run.of_text
        else "Ids, class names and scores stay too, and labels, or the numbers that are learned in their place. The "
        "data themselves, and other runs, are not touched."
    )
    if not yes:
        typer.confirm("Forget the contents?", abort=True)
    with measuring(err) as on_progress:
        left = forget_contents(run, on_progress)
    say(f"The contents of {left!r} are forgotten; its manifest says so.")
