"""The command that reads a run's kept weights."""

from __future__ import annotations

from typing import Annotated

import typer

from byrote.cli.answers import say
from byrote.cli.executing import trains
from byrote.cli.terminal import Given, RunFolder

Names = Annotated[
    list[str],
    typer.Argument(
        metavar="NAME...",
        help="rewinding, el2n, gradient_norm, generations …; with settings as rewinding,permutations=8.",
    ),
]


@trains
def probe(
    run_folder: RunFolder,
    names: Names,
    base: Annotated[
        str, typer.Option(metavar="DIR", help="Of a model that somebody fine-tuned: the model before that.")
    ] = "",
    source: Given = None,
) -> None:
    """Read a run's kept weights; audit with --keep-weights, or --keep-weights-at, to have some.

    What reads trained language models also reads one that somebody else trained.
    """
    from byrote.cli.sources import with_source
    from byrote.engine.afterwards import probe, refuse_unread
    from byrote.measures.catalog import catalog
    from byrote.probes import registry
    from byrote.runs.run import Run

    run = Run.open(run_folder)
    refuse_unread(run, *names)
    probe(with_source(run, source, trained_again=False), *names, base=base or None)
    kinds = {kind.name for name in names for kind in registry.made(name, after=True).kinds}
    for kind in sorted(kinds):
        say(f"Recorded: {run_folder}/evidence/{kind}")
    measures = [key for key, entry in catalog().items() if kinds & entry.kinds]
    if measures:
        say(f"Measures of it: {', '.join(measures)}.")
