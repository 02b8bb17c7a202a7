"""Commands that try claims about memorization: list them, run some, write the page of all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from byrote.cli.answers import answers, print_table, say
from byrote.cli.executing import trains
from byrote.cli.listing import ListsStudies
from byrote.cli.terminal import Workers

if TYPE_CHECKING:
    from byrote.studies.bench import Material

app = typer.Typer(no_args_is_help=True, help="Try claims about memorization, each fixed before anything runs.")

Out = Annotated[Path, typer.Option("--out", help="The folder of runs; results are kept in its studies/.")]
RUNS = Path("runs")


@app.command("list")
@answers
def list_(out_folder: Out = RUNS) -> None:
    """List the claims, and what was found."""
    from byrote.report.studies_page import figures, name_of, not_run
    from byrote.studies.results import kept, standings

    found = standings(kept(out_folder))
    rows: list[tuple[str, ...]] = [
        (name_of(one.found), one.found.verdict.outcome, one.among_all or one.why_not, *figures(one.found.verdict))
        for one in found
    ]
    rows += [(study.claim, "not run", "", "", "") for study in not_run(found)]
    print_table(("claim", "alone", "among all", "effect", "95 %"), rows)
    for claim, says in _claims().items():
        say(f"{claim}: {says}")


def _claims() -> dict[str, str]:
    from byrote.studies.catalog import studies

    return {claim: f"{one.says} Section {one.section}; {one.minutes:g} minutes." for claim, one in studies().items()}


@app.command(cls=ListsStudies)
@answers
@trains
def run(
    claims: Annotated[list[str], typer.Argument(metavar="ID...", help="Claims; they are listed below.")],
    out_folder: Out = RUNS,
    source: Annotated[
        str | None,
        typer.Option(
            "--source", metavar="FILE", help="Data and recipe of your own, a .py file; else scikit-learn's digits."
        ),
    ] = None,
    workers: Workers = None,
) -> None:
    """Fix the studies, run them, and say of each claim whether it holds, fails, or cannot be told."""
    from byrote.report.studies_page import figures, name_of, would_decide
    from byrote.studies.catalog import find_study
    from byrote.studies.results import FOLDER, run_study

    chosen = [find_study(claim) for claim in claims]
    material = None if source is None else _material(source)
    for study in chosen:
        say(f"{study.claim}: {study.says}")
        found = run_study(study, out_folder, material=material, workers=workers)
        effect, interval = figures(found.verdict)
        say(f"{name_of(found)}: {found.verdict.outcome}.")
        say(f"Effect: {effect} (95 % {interval}), margin {study.margin:g}; {study.effect}.")
        if would_decide(found.verdict):
            say(would_decide(found.verdict))
        say(f"Fixed before it ran: {found.digest}")
        say(f"Result: {out_folder / FOLDER / found.file}")


def _material(source: str) -> Material:
    from byrote.cli.sources import experiment
    from byrote.studies.bench import Material

    found = experiment(source, data_dir=None, plants=(), seed=0)
    return Material(dataset=found.dataset, recipe=found.recipe, source=source)


@app.command()
@answers
def page(out_folder: Out = RUNS) -> None:
    """Write one page of all results, read side by side."""
    from byrote.report.studies_page import write_studies_page

    say(f"Page: {write_studies_page(out_folder)}")
