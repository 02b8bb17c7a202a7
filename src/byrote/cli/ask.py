"""The command that asks any analysis of the catalog, by its name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from byrote.cli.answers import print_table, say, say_file
from byrote.cli.consoles import err
from byrote.cli.executing import trains
from byrote.cli.terminal import Given, RunFolder, Workers, say_kept, with_contents_if_admitted

if TYPE_CHECKING:
    from byrote.analyses.catalog import Analysis
    from byrote.blocks import Block
    from byrote.results import Table
    from byrote.runs.run import Run

#: Settings of an analysis that are not a person's to give on the command line.
_NOT_SETTINGS = frozenset(("rng", "on_progress"))
#: What hints of a training say of its folder, and what stands there of a procedure whose folders go by the run's name.
_WITH_OUT = re.compile(r"give (another|an empty or a new) folder with --out")
COPY = "ask a copy of the run that has another name"


@trains
def ask(
    run_folder: RunFolder,
    name: Annotated[str, typer.Argument(metavar="NAME", help="An analysis; they are listed below.")],
    others: Annotated[
        list[Path] | None, typer.Argument(metavar="[RUN]...", help="Further runs, for an analysis of several.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A setting; may be repeated.")
    ] = None,
    workers: Workers = None,
    source: Given = None,
) -> None:
    """Ask an analysis of a run: print its table, and keep it under RUN/results. Some train more models for it."""
    from byrote.analyses.catalog import find_analysis
    from byrote.cli.sources import with_source
    from byrote.runs.run import Run

    entry = find_analysis(name)
    options = options_of(entry.function, entry.options(), settings or (), f"the analysis {name!r}")
    run = Run.open(run_folder)
    if run.of_text and entry.trains:
        run = with_source(run, source)
    else:
        run = with_contents_if_admitted(run, source, "So the analysis goes without the data.")
    others_ = [Run.open(folder) for folder in others or ()]
    if entry.trains:
        result = _trained(entry, run, others_, workers, options)
    else:
        with err.status(f"Asking {name}…"):
            result = entry.ask(run, *others_, **options)
    if isinstance(result, Run):
        say_file("Run", result.folder, apart=False)
        return
    show(run, entry, result, options, *others_)


def _trained(entry: Analysis, run: Run, others: Sequence[Run], workers: int | None, options: dict[str, Any]) -> Any:
    """The answer of a procedure; hints at the folder of its models name a setting that it has."""
    from byrote.analyses.lab import Lab
    from byrote.errors import ByroteError

    try:
        return entry.ask(run, *others, lab=Lab(workers=workers), **options)
    except ByroteError as error:
        error.hint = _hint_of(entry, error.hint)
        raise


def _hint_of(entry: Analysis, hint: str) -> str:
    """A hint at `--out`, which asking does not have, as one at what the procedure has."""
    if "out" in entry.options():
        return _WITH_OUT.sub(r"give \1 folder with --set out=FOLDER", hint)
    return _WITH_OUT.sub(COPY, hint).replace("remove this one", "remove the folder that is named here")


def show(run: Run, entry: Analysis, result: Any, options: dict[str, Any], *others: Run, **how: Any) -> None:
    """Keep a result, print its section, and write the report again where it shows what is kept; `how` as `present`."""
    from byrote.report.asked import MEASURED_ANEW

    path = entry.keep(run, result, *others, options=options)
    present(entry.name, entry.table(result), **how)
    say_kept(run, "Figures" if path.suffix == ".json" else "Table", path)
    page = None if entry.name in MEASURED_ANEW else _report_again(run)
    if page is not None:
        say_file("Report", page, apart=False)


def present(name: str, table: Table, **how: Any) -> None:
    """Print the section of an analysis; `how` are settings of that section, as `top`, how many rows it shows."""
    from byrote.analyses.catalog import find_analysis
    from byrote.report.asked import asked

    for block in asked(find_analysis(name), table, **how).blocks:
        print_block(block)


def options_of(function: Callable[..., Any], names: Iterable[str], given: Sequence[str], what: str) -> dict[str, Any]:
    """What `--set KEY=VALUE` names of a function's parameters, each of its type.

    Raises:
        BadInput: there is no such parameter, or the value is not of its type.
    """
    from byrote.changes.settings import split_settings, typed

    hints = get_type_hints(function)
    kinds = {name: hints[name] for name in names if name not in _NOT_SETTINGS}
    chosen = dict(item for text in given for item in split_settings(f",{text}")[1].items())
    return typed(kinds, chosen, what)


def print_block(block: Block) -> None:
    """One block of a section."""
    from byrote.blocks import Facts, Figure, Fold, Gallery, Missing, TableBlock, Tiles, Words
    from byrote.report.block_facts import bare

    match block:
        case Words():
            for paragraph in block.text.split("\n\n"):
                say(paragraph)
        case Missing():
            say(f"Not shown: {block.why}")
        case Tiles():
            for tile in block.tiles:
                say(f"{tile.label}: {tile.value}{f' ({tile.note})' if tile.note else ''}")
        case Gallery():
            for item in block.items:
                say(f"{item.name}: {'; '.join(item.lines)}")
        case TableBlock() | Figure():
            if block.title:
                say(f"{block.title}:")
            print_table(block.columns, [[bare(cell) for cell in row] for row in block.rows])
        case Facts():
            for _, rows in block.subjects:
                for name, value in rows:
                    say(f"{name}: {value}")
        case Fold():
            say(block.summary)
            for one in block.blocks:
                print_block(one)


def _report_again(run: Run) -> Path | None:
    """The report written again with what was asked now; None where there is none."""
    from byrote.engine.progress import measuring
    from byrote.report.language_report import write_language_report
    from byrote.report.page import FILE, write_again

    if not (run.folder / FILE).is_file():
        return None
    with measuring(err) as on_progress:
        return write_language_report(run, on_progress)[0] if run.of_text else write_again(run, on_progress)
