"""The command that says when and where a run's examples were memorized."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from byrote.cli.consoles import err
from byrote.cli.terminal import Given, RunFolder

if TYPE_CHECKING:
    from byrote.runs.run import Run


def where(
    run_folder: RunFolder,
    ids: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A group of your own: a file of example ids, one per line.")
    ] = None,
    layers: Annotated[str, typer.Option(help="Layers to look at, as 'conv1;head' (default: all of them).")] = "",
    base: Annotated[
        str, typer.Option(metavar="DIR", help="Of a model that somebody fine-tuned: the model before that.")
    ] = "",
    source: Given = None,
) -> None:
    """Show when and in which layers a run's examples were memorized; audit with --keep-weights-at checkpoints before.

    The first call rewinds the run's layers and reads them, as `byrote probe RUN rewinding readout` does. Of a fine-tune
    by somebody else it shows which layers hold what the fine-tune wrote: --base names the model before that.
    """
    from byrote.analyses.catalog import find_analysis
    from byrote.cli.ask import show
    from byrote.cli.sources import with_source
    from byrote.data.text_file import text_of
    from byrote.engine.afterwards import probe, refuse_unread
    from byrote.runs.run import Run

    run = Run.open(run_folder)
    named = tuple(line.strip() for line in text_of(ids).splitlines() if line.strip()) if ids is not None else ()
    lacking = [name for name in _probes(run) if layers or name not in run.manifest.evidence]
    if lacking:
        names = [f"{name},layers={layers}" if layers else name for name in lacking]
        refuse_unread(run, *names)
        with err.status("Rewinding every layer to every checkpoint…"):
            run = probe(with_source(run, source, trained_again=False), *names, base=base or None)
    entry, options = find_analysis("where"), {"examples": named} if named else {}
    with err.status("Comparing groups of like confidence…"):
        result = entry.ask(run, **options)
    show(run, entry, result, options)


def _probes(run: Run) -> list[str]:
    """What reads the run's models: rewinding, and readout where an example has one label, or next tokens."""
    from byrote.evidence.schema import kind_of

    return ["rewinding", *(["readout"] if run.learns.task in kind_of("readout").tasks else [])]
