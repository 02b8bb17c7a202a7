"""The command that tells what differs between two runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from byrote.cli.answers import print_table, say
from byrote.cli.consoles import err

#: The status where runs differ, as that of diff; 2 is that of a command that could not be carried out.
DIFFERENT = 1
#: Values longer than this are cut in the table.
LETTERS = 60


def diff(
    before: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    after: Annotated[Path, typer.Argument(metavar="RUN", help="Another one.")],
) -> None:
    """Tell what differs between two runs: data, recipe, design, seeds, versions, and the results of what both measured.

    As diff does, it ends with status 0 where nothing differs, 1 where something does, and 2 in trouble. When a run was
    made, how fast, and where it lies do not count.
    """
    from byrote.engine.progress import measuring
    from byrote.report.differing import difference
    from byrote.report.text import plain
    from byrote.runs.run import Run

    runs = Run.open(before), Run.open(after)
    with measuring(err, "comparing the two runs") as on_progress:
        found = difference(*runs, on_progress)
    if found.same:
        say("The runs are the same.")
        return
    names = [plain(run.folder.resolve().name, 40) for run in runs]
    if found.settings:
        rows = [(s.subject, s.name, plain(s.before, LETTERS), plain(s.after, LETTERS)) for s in found.settings]
        print_table(["what", "setting", *names], rows)
    else:
        say("They were made in the same way.")
    say("")
    if found.incomparable:
        say(f"Their figures are not compared: {found.incomparable}")
    else:
        figures = [
            (row.name, row.before, row.after, f"{row.difference.value:+.3f}", row.interval) for row in found.figures
        ]
        print_table(["figure", *names, "difference", "95 %"], figures)
    if found.scores:
        say("")
        print_table(
            ["scores of examples", "in both", "different", "at most by"],
            [(s.name, s.examples, s.different, s.largest) for s in found.scores],
        )
    else:
        say("No score of an example that both runs keep differs.")
    say(
        "The different settings are not necessarily the cause of the different results. To evaluate a change, "
        "use `byrote card`."
    )
    raise typer.Exit(DIFFERENT)
