"""Commands about scores: which to trust, how to read a cheap one, and what an example's trouble is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from byrote.cli.answers import print_table, say, say_file
from byrote.cli.consoles import err
from byrote.cli.language import refuse_language
from byrote.cli.terminal import Given, RunFolder, say_kept, with_contents_if_admitted
from byrote.report.text import capital

if TYPE_CHECKING:
    from byrote.runs.run import Run


def compare(
    run_folders: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="A run; or runs of language models of 3 sizes or more.")
    ],
) -> None:
    """Set all scores of a run beside label memorization and the planted controls: which cheap one to trust here?

    Of several runs, of language models of different size over the same corpus, it tells how memorization grows with
    size.
    """
    from byrote.analyses.catalog import keep
    from byrote.analyses.comparison import GIVEN, TOP, YARDSTICK, compare
    from byrote.runs.run import Run

    runs = [Run.open(folder) for folder in run_folders]
    if len(runs) > 1 or runs[0].of_text:
        _print_sizes(runs)
        return
    (run,) = runs
    with err.status("Comparing every score…"):
        found = compare(run)
        path = keep(run, "comparison", found)
    single = any(proxy.one_training for proxy in found.proxies)
    columns = [
        "score",
        "rank correlation",
        "given the loss",
        f"recall in the top {TOP:.0%}",
        *(["one training"] if single else []),
    ]
    kinds = [kind.replace("_", " ") for kind in found.kinds]
    rows = []
    for proxy in found.proxies:
        row: list[object] = [proxy.measure.key, proxy.rank_correlation, proxy.adds, proxy.top_recall]
        if single:
            row.append(proxy.one_training)
        rows.append([*row, *(proxy.average_precision[kind] for kind in found.kinds)])
    say(
        f"Rank correlation with {YARDSTICK}, ± standard error over models, on these examples, and what is left of it "
        f"given {GIVEN}; average precision on each kind of control, ± over models and examples."
    )
    print_table([*columns, *kinds], rows)
    for note in found.notes:
        say(note)
    say_kept(run, "Table", path)


def _print_sizes(runs: Sequence[Run]) -> None:
    import numpy as np

    from byrote.analyses.scaling import compare_sizes

    with err.status("Comparing sizes…"):
        found = compare_sizes(runs)
    rows = []
    for law in found.laws:
        slope, low, high = (float(of[1]) for of in (law.fit.values, law.fit.low, law.fit.high))
        interval = "–" if np.isnan(low) else f"{low:+.3f} to {high:+.3f}"
        told = [f"{slope:+.3f}", interval, law.fit.r_squared] if law.known else ["–", "–", "–"]
        rows.append([law.name, *(f"{value:.3f}" for value in law.values), *told])
    sizes = [f"{size:,}" for size in found.parameters]
    print_table(["by the parameters of the model", *sizes, "per tenfold", "95 %", "R²"], rows)
    for note in found.notes:
        say(note)


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
    from byrote.analyses.calibration import calibrate, estimate
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
    say(
        f"{proxy} was set against label memorization on {calibration.examples} examples and "
        f"{calibration.models} models."
    )
    bounds = zip(calibration.edges, calibration.edges[1:], strict=False)
    print_table(
        ["stratum of the score", "band below", "band above", "held-out coverage"],
        [
            [f"{low:.3g} to {high:.3g}", float(below), float(above), float(covered)]
            for (low, high), below, above, covered in zip(
                bounds, calibration.below, calibration.above, calibration.coverage, strict=True
            )
        ],
    )
    say_file("Calibration", path, apart=False)
    if apply is None:
        return
    single = Run.open(apply)
    found = estimate(single, calibration)
    rows = table(found, single.ids)
    where = single.keep_table("estimated_label_memorization", rows)
    ranked = sorted(rows.to_pylist(), key=lambda row: (row["value"] != row["value"], -row["value"]))[:10]
    print_table(
        ["example", "value", "low", "high"], [[row[c] for c in ("example", "value", "low", "high")] for row in ranked]
    )
    say(f"{capital(found.note)}.")
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
    from byrote.analyses.catalog import keep
    from byrote.analyses.triage import triage
    from byrote.engine.progress import measuring
    from byrote.report.page import write_again
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
    kept = keep(run, "triage", found)
    rows = found.table().to_pylist()
    natural = [row for row in rows if not row["planted"]]
    natural.sort(key=lambda row: -row["label_memorization"])
    words = [kind.replace("_", " ") for kind in found.kinds]
    say(f"The {min(top, len(natural))} most memorized of {len(natural)} examples without a planted control:")
    print_table(
        ["example", "memorization", *words],
        [[row["example"], row["label_memorization"], *(row[kind] for kind in found.kinds)] for row in natural[:top]],
    )
    say(
        f"Planted examples: accuracy {found.accuracy:.2f} ± {found.accuracy_stderr:.2f} at a mean confidence of "
        f"{found.confidence:.2f}. Rows are what was planted, columns what it was taken for:"
    )
    print_table(
        ["planted", *words],
        [[word, *map(int, line)] for word, line in zip(words, found.confusion, strict=True)],
    )
    for one, other in found.alike:
        pair = f"{one} and {other}".replace("_", " ").capitalize()
        say(f"{pair} are not told apart better than by a coin.")
    for note in found.notes:
        say(note)
    say_kept(run, "Table", kept)
    with measuring(err) as hear:
        page = write_again(run, hear)
    if page is not None:
        say_file("Report", page, apart=False)
