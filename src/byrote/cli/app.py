"""The command line."""

from __future__ import annotations

import errno
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from byrote.cli.answers import answers, print_table, say, say_file
from byrote.cli.ask import ask, present
from byrote.cli.audit import audit, print_summary
from byrote.cli.checks import check, verify
from byrote.cli.consoles import err
from byrote.cli.contents import Redact, forget_contents
from byrote.cli.differences import diff
from byrote.cli.executing import trains_in_parts
from byrote.cli.files import apply, export, read
from byrote.cli.language import Audits, plant, print_report
from byrote.cli.listing import ListsAnalyses, ListsChanges
from byrote.cli.plan import plan
from byrote.cli.probes import probe as probe_run
from byrote.cli.risks import attack, forgetting, onion
from byrote.cli.scan import scan
from byrote.cli.scores import calibrate, compare, frontier, triage
from byrote.cli.study import app as study_app
from byrote.cli.terminal import Given, RunFolder, Workers, with_contents_if_admitted
from byrote.cli.trace import trace
from byrote.cli.where import where
from byrote.errors import BadInput, ByroteError

if TYPE_CHECKING:
    from byrote.analyses.card import Card
    from byrote.runs.run import Run

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    invoke_without_command=True,
)


#: The status of a command that Ctrl-C ended, as Typer and the shell have it.
INTERRUPTED = 130


@app.callback()
def top(
    version: Annotated[bool, typer.Option("--version", help="Tell the version.", is_eager=True)] = False,
) -> None:
    """Find what a neural network learned by rote, change something, and measure whether it helped."""
    if version:
        from importlib.metadata import version as installed

        say(f"byrote {installed('byrote')}")
        raise typer.Exit


def measure(
    run_folder: RunFolder,
    name: Annotated[str, typer.Argument(metavar="MEASURE", help="A key that `byrote measures` lists.")],
    role: Annotated[
        str, typer.Option(help="reference: the ensemble; full: the models trained on all data.")
    ] = "reference",
    top: Annotated[int, typer.Option(min=1, help="How many rows to show.")] = 10,
    performance: Annotated[
        str | None,
        typer.Option(
            help="Of counterfactual_memorization on a regression: squared-error, absolute-error or within-tolerance=10."
        ),
    ] = None,
) -> None:
    """Run one measure on a run, show its top, and write its table into RUN/results."""
    from byrote.analyses.performance import counterfactual_memorization
    from byrote.measures.catalog import catalog
    from byrote.results import PerCanary, PerExample
    from byrote.runs.run import Run, table

    if str(run_folder) in catalog() and not run_folder.is_dir():
        raise BadInput(f"{str(run_folder)!r} is a measure, not a run.", hint=f"byrote measure {name} {run_folder}")
    run = Run.open(run_folder)
    if performance is None:
        result = run.measure(name, role=role)
    elif name == "counterfactual_memorization":
        result = counterfactual_memorization(run, performance, role=role)
    else:
        raise BadInput(
            f"--performance is for counterfactual_memorization, and {name!r} has a performance of its own.",
            hint=f"byrote measure {run_folder} counterfactual_memorization --performance {performance}",
        )
    say(repr(result))
    if isinstance(result, PerExample | PerCanary):
        rows = table(result, run.ids).to_pylist()
        rows.sort(key=lambda row: (row["value"] != row["value"], -row["value"]))
        columns = [column for column in rows[0] if any(_informative(row[column]) for row in rows[:top])]
        print_table(columns, [[row[column] for column in columns] for row in rows[:top]])
        if isinstance(result, PerExample) and result.undefined:
            say(f"{name}: {result.undefined}")
        if result.note:
            say(result.note)
    for why in run.unkept.values():
        say(f"The table was not kept. {why}")


def _informative(cell: object) -> bool:
    """Whether a cell of a table says anything: an error that nobody knows, or no reason, does not."""
    return cell != "" and cell == cell


def measures(
    name: Annotated[str | None, typer.Argument(metavar="MEASURE", help="Show one measure whole.")] = None,
) -> None:
    """List the catalog with the survey's taxonomy, or show one measure with formula, source and needs."""
    import inspect

    from byrote.measures.catalog import catalog, find

    if name is None:
        for key, entry in catalog().items():
            say(f"{key}: {entry.title}")
            taxonomy = f"section {entry.section}, {entry.domain}, {entry.level} level, {entry.evaluation} evaluation"
            say(f"  {taxonomy}; in {entry.unit}")
        return
    entry = find(name)
    say(inspect.getdoc(entry.function) or "")
    facts = {
        "needs": ", ".join(entry.needs),
        "unit": entry.unit,
        "range": f"{entry.range[0]:g} to {entry.range[1]:g}",
        "higher": entry.higher,
        "source": entry.source,
        "survey": f"section {entry.section}, {entry.domain}, {entry.level} level, {entry.evaluation} evaluation",
    }
    for fact, value in facts.items():
        say(f"{fact}: {value}")


@trains_in_parts
def change(
    run_folder: RunFolder,
    with_: Annotated[
        list[str],
        typer.Option(
            "--with",
            help="A change, as weight-decay=0.001 or gradient-ascent=5,rate=0.1; listed below; may be repeated.",
        ),
    ],
    forget: Annotated[
        str,
        typer.Option(
            help="What an unlearning is about: the share of the most memorized examples, or a file of ids, one "
            "per line."
        ),
    ] = "0.05",
    seed: Annotated[int | None, typer.Option(min=0, help="Of the new models; that of the run unless given.")] = None,
    keep_members: Annotated[
        bool,
        typer.Option("--keep-members", help="Where examples are removed: train each model on what is left of its own."),
    ] = False,
    out_folder: Annotated[
        Path | None, typer.Option("--out", help="The child's folder; RUN+CHANGE unless given.")
    ] = None,
    workers: Workers = None,
    redact: Redact = False,
    source: Given = None,
) -> None:
    """Change the data, the recipe or the models of a run, audit again, and show what it did."""
    from byrote import card as compare
    from byrote import change as make_child
    from byrote import parse_change
    from byrote.changes.forget import share_or_file
    from byrote.cli.sources import with_source
    from byrote.engine.progress import measuring
    from byrote.report.card_page import write_card
    from byrote.report.language_report import write_language_report
    from byrote.report.page import write_report
    from byrote.runs.run import Run

    run = Run.open(run_folder)
    chosen = [parse_change(text) for text in with_]
    about = share_or_file(forget)
    run = with_source(run, source, trained_again=any(one.stage != "decoder" for one in chosen))
    child = make_child(run, chosen, forget=about, seed=seed, keep_members=keep_members, out=out_folder, workers=workers)
    with measuring(err) as on_progress:
        if child.of_text:
            page, _ = write_language_report(child, on_progress, redact=redact)
        else:
            page, _ = write_report(child.without_contents() if redact else child, on_progress)
    with measuring(err, "comparing the two runs") as on_progress:
        compared = compare(run, child, on_progress)
    _print_card(compared, child)
    say_file("Card", write_card(compared, run, child))
    say_file("Report of the changed run", page, apart=False)


def card(
    before: Annotated[Path, typer.Argument(metavar="BEFORE", help="The run before the change.")],
    after: Annotated[Path, typer.Argument(metavar="AFTER", help="The run after it.")],
    out_file: Annotated[Path | None, typer.Option("--out", help="Write the card as a page, such as card.html.")] = None,
) -> None:
    """Compare two runs: what memorization, accuracy and every shared measure did, with intervals of the differences."""
    from byrote import card as compare
    from byrote.engine.progress import measuring
    from byrote.runs.run import Run

    runs = Run.open(before), Run.open(after)
    with measuring(err, "comparing the two runs") as on_progress:
        compared = compare(*runs, on_progress)
    _print_card(compared, runs[1])
    if out_file is not None:
        from byrote.report.card_page import write_card

        say_file("Card", write_card(compared, *runs, out_file))


def _print_card(compared: Card, after: Run) -> None:
    from byrote.analyses.card import as_table
    from byrote.report.summary import spoken
    from byrote.report.wording import wording_of

    present("card", as_table(spoken(compared, wording_of(after))), narrow=True)


def report(
    run_folder: RunFolder,
    show_secrets: Annotated[
        bool, typer.Option("--show-secrets", help="Language models: show planted secrets and personal data.")
    ] = False,
    redact: Redact = False,
    figures: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write every figure there, too, as PNG and SVG.")
    ] = None,
    source: Given = None,
) -> None:
    """Write RUN/report.html again, and the same for programs, report.json."""
    from byrote.engine.progress import measuring
    from byrote.report.page import write_report
    from byrote.runs.run import Run

    if redact and show_secrets:
        raise BadInput("--redact and --show-secrets cannot be combined.", hint="give one of them.")
    run = Run.open(run_folder)
    if run.of_text:
        print_report(run, show_secrets=show_secrets, redact=redact, figures=figures)
        return
    if redact or run.forgotten:
        run = run.without_contents()
    else:
        run = with_contents_if_admitted(run, source, "So the report shows no pictures or rows of the examples.")
    with measuring(err) as on_progress:
        page, shown = write_report(run, on_progress, figures=figures)
    print_summary(shown)
    say_file("Report", page)


def doctor() -> None:
    """Tell what is installed, what is missing, and how fast this machine is."""
    from byrote.cli.doctor import examine

    print_table(["what", "found", "note"], [list(line) for line in examine()])


#: The commands by what a person wants, in the order of the help; and those whose help lists more than their options.
PANELS = {
    "Audit": (audit, plan, plant, read),
    "Ask": (
        measure,
        measures,
        ask,
        attack,
        compare,
        triage,
        calibrate,
        where,
        probe_run,
        trace,
        scan,
        onion,
        forgetting,
    ),
    "Change": (change, apply, card, frontier, diff),
    "Share": (report, export, forget_contents),
    "Look after": (verify, check, doctor),
}
LISTING = {audit: Audits, change: ListsChanges, ask: ListsAnalyses}
for panel, commands in PANELS.items():
    for command in commands:
        app.command(cls=LISTING.get(command), rich_help_panel=panel)(answers(command))
app.add_typer(study_app, name="study", rich_help_panel="Ask")


def main() -> None:
    """Run the command line; an error of the user's world ends with its sentence and status 2."""
    try:
        app()
    except ByroteError as error:
        err.print(f"[bold red]Error:[/] {escape(_wrapped(error.message))}", highlight=False)
        if error.hint:
            err.print(f"[bold]Hint:[/] {escape(_wrapped(error.hint))}", highlight=False)
        sys.exit(2)
    except OSError as error:
        if error.filename is None and error.errno != errno.ENOSPC:
            raise
        message = f"The system refuses {error.filename!r}" if error.filename else "The system refuses to write"
        err.print(f"[bold red]Error:[/] {escape(_wrapped(f'{message}: {error.strerror}.'))}", highlight=False)
        err.print("[bold]Hint:[/] check the name, and that you may read and write there.", highlight=False)
        sys.exit(2)
    except SystemExit as end:
        if end.code == INTERRUPTED:
            err.print("Stopped. Finished work is saved. Run the same command again to resume.")
        raise


def _wrapped(text: str) -> str:
    return "\n".join(textwrap.wrap(text, max(40, err.width - 8), break_long_words=False, break_on_hyphens=False))


if __name__ == "__main__":
    main()
