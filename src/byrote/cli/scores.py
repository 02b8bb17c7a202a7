"""Commands about scores: which to trust, how to read a cheap one, and what an example's trouble is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from byrote.cli.answers import say_file
from byrote.cli.ask import present, print_block, show
from byrote.cli.consoles import err
from byrote.cli.language import refuse_language
from byrote.cli.terminal import Given, RunFolder, say_kept, with_contents_if_admitted


def compare(
    run_folders: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="A run; or runs of language models of 3 sizes or more.")
    ],
) -> None:
    """Set all scores of a run beside label memorization and the planted controls: which cheap one to trust here?

    Of several runs, of language models of different size over the same corpus, it tells how memorization grows with
    size.
    """
    from byrote.analyses.catalog import find_analysis
    from byrote.analyses.comparison import compare
    from byrote.analyses.scaling import as_table, compare_sizes
    from byrote.runs.run import Run

    runs = [Run.open(folder) for folder in run_folders]
    if len(runs) > 1 or runs[0].of_text:
        with err.status("Comparing sizes…"):
            found = compare_sizes(runs)
        present("scaling", as_table(found))
        return
    with err.status("Comparing every score…"):
        comparison = compare(runs[0])
    show(runs[0], find_analysis("comparison"), comparison, {})


def frontier(
    run_folders: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="A run, and what `byrote change` made of it.")
    ],
) -> None:
    """Set changes beside each other: what each takes off memorization, what it costs, and which another one beats."""
    from byrote.analyses.catalog import find_analysis
    from byrote.runs.run import Run

    runs = [Run.open(folder) for folder in run_folders]
    entry = find_analysis("frontier")
    with err.status("Comparing every pair of runs…"):
        result = entry.ask(*runs)
    show(runs[0], entry, result, {}, *runs[1:])


def calibrate(
    run_folder: RunFolder,
    proxy: Annotated[str, typer.Option(help="A score that a single training gives.")] = "cumulative_sample_loss",
    out_file: Annotated[
        Path | None, typer.Option("--out", help="Where the calibration goes; RUN/calibration.json unless given.")
    ] = None,
    apply: Annotated[
        Path | None, typer.Option(metavar="RUN", help="A run of one training to estimate label memorization for.")
    ] = None,
) -> None:
    """Learn label memorization from a score of one training, and estimate it for a run that has a single model."""
    from byrote.analyses.calibration import as_table, calibrate, estimate, highest
    from byrote.evidence.made_here import write_own
    from byrote.evidence.seals import sealed
    from byrote.runs.run import Run, table

    run = Run.open(run_folder)
    refuse_language(run, "calibrate")
    calibration = calibrate(run, proxy)
    path = out_file or run_folder / "calibration.json"
    if out_file is None:
        calibration.save(path)
    else:
        write_own(path, sealed(calibration.text().encode()))
    present("calibration", as_table(calibration))
    say_file("Calibration", path, apart=False)
    if apply is None:
        return
    single = Run.open(apply)
    found = estimate(single, calibration)
    where = single.keep_table("estimated_label_memorization", table(found, single.ids))
    for block in highest(found, single.ids):
        print_block(block)
    say_kept(single, "Table", where)


def triage(
    run_folder: RunFolder,
    taught_by: Annotated[
        Path | None, typer.Option(metavar="RUN", help="A run over the same data with other plantings to learn from.")
    ] = None,
    forgetting: Annotated[
        Path | None, typer.Option(metavar="RUN", help="A run of the two-split design over the same examples.")
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="How many examples to show.")] = 10,
    source: Given = None,
) -> None:
    """Tell whether strongly memorized examples are mislabelled, copied under another label, rare, or ambiguous."""
    from byrote.analyses.catalog import find_analysis
    from byrote.analyses.triage import triage
    from byrote.runs.run import Run

    if forgetting is not None and taught_by is not None:
        raise typer.BadParameter("--forgetting goes with a run that teaches itself; leave out --taught-by.")
    run = Run.open(run_folder)
    refuse_language(run, "triage")
    run = with_contents_if_admitted(run, source, "So triage goes without what the inputs tell: copies and neighbours.")
    teacher = None if taught_by is None else Run.open(taught_by)
    if teacher is not None:
        teacher = with_contents_if_admitted(teacher, source, "So triage learns without what the inputs tell.")
    with err.status("Reading the signals of every example…"):
        found = triage(run, taught_by=teacher, forgetting=() if forgetting is None else (Run.open(forgetting),))
    show(run, find_analysis("triage"), found, {}, top=top)
