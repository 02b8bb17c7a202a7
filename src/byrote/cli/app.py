"""The command line."""

from __future__ import annotations

import errno
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from byrote.cli.ask import ask
from byrote.cli.checks import check, verify
from byrote.cli.contents import Redact, forget_contents
from byrote.cli.differences import diff
from byrote.cli.files import export, read
from byrote.cli.language import (
    Audits,
    Bos,
    Column,
    Context,
    CorpusFile,
    Model,
    Width,
    audit_documents,
    is_language,
    number,
    plant,
    print_report,
    whole_number,
)
from byrote.cli.listing import ListsAnalyses, ListsChanges
from byrote.cli.own_data import SOURCE, Balanced, Epochs, Group, Id, Size, Task, Text, Tolerance
from byrote.cli.plan import Budget, KeepWeightsAt, Models, Stderr, plan
from byrote.cli.probes import probe as probe_run
from byrote.cli.risks import attack, attack_weights, bound_epsilon, forgetting, onion
from byrote.cli.scores import calibrate, compare, triage
from byrote.cli.study import app as study_app
from byrote.cli.terminal import Given, RunFolder, Workers, err, out, print_table, with_contents_if_admitted
from byrote.cli.trace import trace
from byrote.cli.where import where
from byrote.errors import BadInput, ByroteError

if TYPE_CHECKING:
    from byrote.analyses.card import Card
    from byrote.report.facts import Facts
    from byrote.report.watched import Watched
    from byrote.runs.run import Run

app = typer.Typer(
    add_completion=False,
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

        out.print(f"byrote {installed('byrote')}", highlight=False)
        raise typer.Exit


@app.command(cls=Audits)
def audit(
    source: Annotated[str | None, typer.Argument(help=f"{SOURCE} Or docs: a tiny language model.")] = None,
    models: Models = None,
    stderr: Stderr = None,
    budget: Budget = None,
    design: Annotated[
        str | None,
        typer.Option(
            help="half-subset-pairs unless given; iid-subsets, ratio-grid, two-splits, or full-data for a single model."
        ),
    ] = None,
    out_folder: Annotated[Path | None, typer.Option("--out", help="The run folder; runs/SOURCE unless given.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Fixes everything that is random.")] = 0,
    workers: Workers = None,
    device: Annotated[str | None, typer.Option(help="cpu or cuda; a GPU is taken where there is one.")] = None,
    plant: Annotated[
        list[str] | None,
        typer.Option(help="Controls, as label-noise=0.05, listed below; may be repeated; 'none' for none."),
    ] = None,
    data_dir: Annotated[str | None, typer.Option(help="Where fashion-mnist's four idx .gz files are.")] = None,
    checkpoints: Annotated[int, typer.Option(min=2, help="Clean passes over the data during training, at most.")] = 20,
    compiled: Annotated[bool, typer.Option("--compile", help="Use torch.compile; pays for long trainings.")] = False,
    keep_weights: Annotated[bool, typer.Option("--keep-weights", help="Keep every model's weights.")] = False,
    keep_weights_at: KeepWeightsAt = None,
    probe: Annotated[
        list[str] | None, typer.Option(help="What else to read off each network: last_layer, gradient_norm; decoding.")
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(
            help="Of a table: the column of the class, or of a number; more than once: labels of yes and no. Of other "
            "sources a .safetensors file, as --weights."
        ),
    ] = None,
    task: Task = None,
    tolerance: Tolerance = None,
    balanced: Balanced = False,
    epochs: Epochs = None,
    group: Group = None,
    id_: Id = None,
    text: Text = None,
    size: Size = None,
    heldout: Annotated[
        str,
        typer.Option(
            help="Share of data of your own that no model trains on, of whole groups; with --corpus a file of "
            "documents that the model was not trained on."
        ),
    ] = "0.2",
    weights: Annotated[
        Path | None, typer.Option(help="Weights (.safetensors) of a trained model to attack; needs --members.")
    ] = None,
    members: Annotated[Path | None, typer.Option(help="CSV with the columns example and member (1, 0).")] = None,
    attack_with: Annotated[str, typer.Option("--attack", help="The attack on the target.")] = "lira",
    epsilon: Annotated[
        bool,
        typer.Option(
            "--epsilon",
            help="Audit differential privacy: train once, with canaries chosen by coins; with --models so many times, "
            "with one canary.",
        ),
    ] = False,
    canaries: Annotated[
        str, typer.Option(help="Canaries of --epsilon, as a number; with --corpus what `byrote plant` wrote beside it.")
    ] = "500",
    delta: Annotated[float, typer.Option(help="The delta at which epsilon is bounded.")] = 1e-5,
    model: Model = None,
    corpus: CorpusFile = None,
    column: Column = "text",
    context: Context = None,
    bos: Bos = None,
    width: Width = None,
    redact: Redact = False,
) -> None:
    """Train an ensemble, find what it memorized, and write a report. The same command resumes a stopped audit."""
    from byrote import audit as run_audit
    from byrote.cli.sources import experiment, run_name
    from byrote.data.source import Reading, kind_of
    from byrote.designs.named import named_design
    from byrote.engine.preparation import large_first_in
    from byrote.engine.progress import measuring
    from byrote.report.page import write_report

    if is_language(source, model, corpus):
        from byrote.cli.language_sources import TinyGPTTraining

        audit_documents(
            source,
            model=model,
            corpus=corpus,
            heldout=heldout,
            column=column,
            canaries=canaries,
            context=context,
            bos=bos,
            tiny=TinyGPTTraining(width=width, epochs=epochs),
            models=models,
            probes=tuple(probe or ()),
            out=out_folder,
            seed=seed,
            workers=workers,
            device=device,
            keep_weights=keep_weights,
            keep_weights_at=keep_weights_at,
            redact=redact,
        )
        return
    if source is None:
        raise BadInput("An audit needs a source.", hint="byrote audit digits, or byrote audit docs.")
    plants = None if plant is None else [text for text in plant if text != "none"]
    if epsilon and plants is None:
        plants = []  # its canaries are mislabelled examples, which planted noise would be taken for
    if target and weights is None and kind_of(source) != "table" and target[0].lower().endswith(".safetensors"):
        weights, target = Path(target[0]), None
    reading = Reading(
        target=target,
        group=group,
        id=id_,
        text=text,
        size=size,
        heldout=number("--heldout", heldout),
        task=task,
        tolerance=tolerance,
        balanced=balanced,
        epochs=epochs,
    )
    found = experiment(source, data_dir=data_dir, plants=plants, seed=seed, reading=reading)
    folder = out_folder or Path("runs") / run_name(source)
    if (epsilon or weights is not None) and (stderr is not None or budget is not None):
        raise BadInput(
            "--stderr and --budget stop the audit of an ensemble, not that of a target or of --epsilon.",
            hint="leave them out, and give --models.",
        )
    if epsilon:
        where = out_folder or folder.with_name(f"{folder.name}-epsilon")
        bound_epsilon(
            found,
            canaries=whole_number("--canaries", canaries),
            models=1 if models is None else models,
            delta=delta,
            out=where,
            seed=seed,
            workers=workers,
            device=device,
        )
        return
    if weights is not None or members is not None:
        if weights is None or members is None:
            raise BadInput(
                "--weights and --members go together.", hint="--weights weights.safetensors --members members.csv"
            )
        where = out_folder or folder.with_name(f"{folder.name}-target")
        attack_weights(
            found,
            weights=weights,
            members=members,
            attack=attack_with,
            models=64 if models is None else models,
            out=where,
            seed=seed,
            workers=workers,
            device=device,
        )
        return
    asked = None
    if design is not None:
        asked = named_design(design, found.dataset, models=models, seed=seed, large_first=large_first_in(folder))
    run = run_audit(
        found.dataset,
        found.recipe,
        heldout=found.heldout,
        models=models,
        stderr=stderr,
        budget=budget,
        design=asked,
        out=folder,
        seed=seed,
        workers=workers,
        device=device,
        compiled=compiled,
        checkpoints=checkpoints,
        keep_weights=keep_weights,
        keep_weights_at=keep_weights_at,
        probes=tuple(probe or ()),
        source=found.source,
        remarks=found.notes,
    )
    if design == "full-data":
        out.print(escape(f"{run!r}"), highlight=False)
        out.print(
            "Of models that all train on the same data no label memorization can be measured; `byrote calibrate RUN "
            f"--apply {escape(str(folder))}` estimates it from RUN, an audit of an ensemble.",
            highlight=False,
        )
        return
    with measuring(err) as hear:
        page, shown = write_report(run.without_contents() if redact or run.forgotten else run, hear)
    _print_summary(shown)
    out.print(f"\nReport: {page}", highlight=False, soft_wrap=True)


def _print_summary(shown: Facts | Watched) -> None:
    from byrote.report.watched import report_sentences

    for sentence in report_sentences(shown):
        out.print(escape(sentence), highlight=False)


@app.command()
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
        raise BadInput(f"{str(run_folder)!r} is a measure and no run.", hint=f"byrote measure {name} {run_folder}")
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
    out.print(escape(repr(result)), highlight=False)
    if isinstance(result, PerExample | PerCanary):
        rows = table(result, run.ids).to_pylist()
        rows.sort(key=lambda row: (row["value"] != row["value"], -row["value"]))
        columns = [column for column in rows[0] if any(_told(row[column]) for row in rows[:top])]
        print_table(columns, [[row[column] for column in columns] for row in rows[:top]])
        if isinstance(result, PerExample) and result.undefined:
            out.print(escape(f"{name}: {result.undefined}"), highlight=False)
        if result.note:
            out.print(escape(result.note), highlight=False)
    for why in run.unkept.values():
        out.print(escape(f"The table was not kept. {why}"), highlight=False)


def _told(cell: object) -> bool:
    """Whether a cell of a table says anything: an error that nobody knows, or no reason, does not."""
    return cell != "" and cell == cell


@app.command()
def measures(
    name: Annotated[str | None, typer.Argument(metavar="MEASURE", help="Show one measure whole.")] = None,
) -> None:
    """List the catalog with the survey's taxonomy, or show one measure with formula, source and needs."""
    import inspect

    from byrote.measures.catalog import catalog, find

    if name is None:
        for key, entry in catalog().items():
            out.print(escape(f"{key}: {entry.title}"), highlight=False)
            taxonomy = f"section {entry.section}, {entry.domain}, {entry.level} level, {entry.evaluation} evaluation"
            out.print(escape(f"  {taxonomy}; in {entry.unit}"), highlight=False)
        return
    entry = find(name)
    out.print(escape(inspect.getdoc(entry.function) or ""), highlight=False)
    facts = {
        "needs": ", ".join(entry.needs),
        "unit": entry.unit,
        "range": f"{entry.range[0]:g} to {entry.range[1]:g}",
        "higher": entry.higher,
        "source": entry.source,
        "survey": f"section {entry.section}, {entry.domain}, {entry.level} level, {entry.evaluation} evaluation",
    }
    for fact, value in facts.items():
        out.print(escape(f"{fact}: {value}"), highlight=False)


@app.command(cls=ListsChanges)
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
            help="What an unlearning is about: the share of the most memorized examples, or a file of ids, one a line."
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
    with measuring(err) as hear:
        if child.of_text:
            page, _ = write_language_report(child, hear, redact=redact)
        else:
            page, _ = write_report(child.without_contents() if redact else child, hear)
    with measuring(err, "comparing the two runs") as hear:
        compared = compare(run, child, hear)
    _print_card(compared, child)
    out.print(f"\nCard: {write_card(compared, run, child)}", highlight=False, soft_wrap=True)
    out.print(f"Report of the changed run: {page}", highlight=False, soft_wrap=True)


@app.command()
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
    with measuring(err, "comparing the two runs") as hear:
        compared = compare(*runs, hear)
    _print_card(compared, runs[1])
    if out_file is not None:
        from byrote.report.card_page import write_card

        out.print(f"\nCard: {write_card(compared, *runs, out_file)}", highlight=False, soft_wrap=True)


def _print_card(compared: Card, after: Run) -> None:
    from byrote.report.summary import card_sentences
    from byrote.report.wording import wording_of

    for line in card_sentences(compared, wording_of(after)):
        out.print(escape(line), highlight=False)


@app.command()
def report(
    run_folder: RunFolder,
    show_secrets: Annotated[
        bool, typer.Option("--show-secrets", help="Of a language model: show planted secrets and personal data.")
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
        raise BadInput("--redact leaves out what --show-secrets shows.", hint="give one of them.")
    run = Run.open(run_folder)
    if run.of_text:
        print_report(run, show_secrets=show_secrets, redact=redact, figures=figures)
        return
    if redact or run.forgotten:
        run = run.without_contents()
    else:
        run = with_contents_if_admitted(run, source, "So the report shows no pictures or rows of the examples.")
    with measuring(err) as hear:
        page, shown = write_report(run, hear, figures=figures)
    _print_summary(shown)
    out.print(f"\nReport: {page}", highlight=False, soft_wrap=True)


@app.command()
def doctor() -> None:
    """Tell what is installed, what is missing, and how fast this machine is."""
    from byrote.cli.doctor import examine

    print_table(["what", "found", "note"], [list(line) for line in examine()])


COMMANDS = (plan, plant, compare, calibrate, triage, attack, onion, forgetting, trace, where)
for command in (*COMMANDS, probe_run, diff, check, verify, forget_contents, read, export):
    app.command()(command)
app.command(cls=ListsAnalyses)(ask)
app.add_typer(study_app, name="study")


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
        said = f"The system refuses {error.filename!r}" if error.filename else "The system refuses to write"
        err.print(f"[bold red]Error:[/] {escape(_wrapped(f'{said}: {error.strerror}.'))}", highlight=False)
        err.print("[bold]Hint:[/] check the name, and that you may read and write there.", highlight=False)
        sys.exit(2)
    except SystemExit as end:
        if end.code == INTERRUPTED:
            err.print("Stopped. What is finished is kept; the same command goes on from there.")
        raise


def _wrapped(text: str) -> str:
    return "\n".join(textwrap.wrap(text, max(40, err.width - 8), break_long_words=False, break_on_hyphens=False))


if __name__ == "__main__":
    main()
