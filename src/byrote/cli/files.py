"""Commands that bring in what others computed, and hand out what they take."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from byrote.cli.answers import say, say_file
from byrote.cli.terminal import Given, RunFolder
from byrote.report.text import capital

if TYPE_CHECKING:
    from byrote.data.decisions import Decision
    from byrote.runs.run import Run

#: So many decisions are listed on the terminal; the list beside the file has all.
MOST_LINES = 20


def read(
    format_: Annotated[str, typer.Argument(metavar="FORMAT", help="mi_lira_2021, privacy_meter, leakpro, c_score, …")],
    path: Annotated[Path, typer.Argument(help="The file or folder.")],
    out_folder: Annotated[Path, typer.Option("--out", help="The run folder to make.")],
    labels: Annotated[
        Path | None, typer.Option(help="An .npy file of your dataset's labels, which the order is checked against.")
    ] = None,
) -> None:
    """Make a run of what others computed, its order checked; nothing is ever unpickled."""
    from byrote.runs import readers

    run = readers.read(format_, path, out_folder, labels=None if labels is None else readers.labels_in(labels))
    say(repr(run))
    for note in run.manifest.notes:
        say(f"{capital(note).rstrip('.')}.")


def export(
    format_: Annotated[str, typer.Argument(metavar="FORMAT", help="cleanlab, csv, model-card or data-card.")],
    run_folder: RunFolder,
    path: Annotated[Path, typer.Argument(help="The file to write: .npz for cleanlab, .csv, .md for a card.")],
) -> None:
    """Write class probabilities for cleanlab, a CSV of every example, or a section for a model card or data card."""
    from byrote.errors import find
    from byrote.runs.run import Run

    say(find(_EXPORTS, format_, "exporter", "exporters")(Run.open(run_folder), path))
    say_file("File", path, apart=False)


def _to_cleanlab(run: Run, path: Path) -> str:
    from byrote.runs.exporters import cleanlab

    return f"{cleanlab.write(run, path)!r}"


def _to_csv(run: Run, path: Path) -> str:
    from byrote.runs.exporters import spreadsheet

    return f"{spreadsheet.write(run, path):,} examples with their scores."


def _to_model_card(run: Run, path: Path) -> str:
    from byrote.runs.exporters import cards

    return f"{cards.write_model_card(run, path)} figures, for the card of a model."


def _to_data_card(run: Run, path: Path) -> str:
    from byrote.runs.exporters import cards

    return f"{cards.write_data_card(run, path):,} examples with an issue, for the card of a dataset."


#: Exporters by the name of what they write; each says what it wrote.
_EXPORTS: Final[Mapping[str, Callable[[Run, Path], str]]] = {
    "cleanlab": _to_cleanlab,
    "csv": _to_csv,
    "model-card": _to_model_card,
    "data-card": _to_data_card,
}


def apply(
    run_folder: RunFolder,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Decisions, as the table of a report exports them.")],
    out: Annotated[
        Path, typer.Option("--out", help="The cleaned table, folder or corpus to write; it must not be there.")
    ],
    source: Given = None,
) -> None:
    """Write your own table, arrays, images or corpus again, relabelled and without what is to be removed."""
    from byrote.data.applied import list_beside
    from byrote.data.decisions import REVIEW, read_decisions
    from byrote.runs.run import Run

    run = Run.open(run_folder)
    decisions = read_decisions(file)
    done = _applied(run, source, out, decisions)
    for one in done[:MOST_LINES]:
        say(f"{one.example}: {one.action}{f' as {one.new}' if one.new and one.action != 'remove' else ''}")
    if len(done) > MOST_LINES:
        say(f"… and {len(done) - MOST_LINES:,} more, all of them in the list.")
    left = sum(one.action == REVIEW for one in decisions)
    skipped = len(decisions) - len(done) - left
    say(
        f"{len(done):,} applied, {left:,} left to review"
        + (f", {skipped:,} of planted controls" if skipped else "")
        + "."
    )
    say_file("File", out, apart=False)
    say_file("List of what was applied", list_beside(out), apart=False)


def _applied(run: Run, source: Path | None, out: Path, decisions: Sequence[Decision]) -> tuple[Decision, ...]:
    """Decisions applied to what the run was made from, once it is seen to be the same."""
    from byrote.cli.language_sources import with_documents
    from byrote.cli.sources import with_contents
    from byrote.data.applied import apply_decisions
    from byrote.data.applied_corpus import apply_to_saved, remove_documents
    from byrote.errors import BadInput
    from byrote.evidence.made_here import admitted, known_files

    made = run.manifest.source or {}
    known, planted = known_files(run.manifest.identifier), set(run.controls.example.tolist())
    if run.of_text and isinstance(made.get("corpus"), str):
        with_documents(run, source, trained_again=run.manifest.origin != "observed")
        place = source or admitted(Path(made["corpus"]), known)
        return remove_documents(place, out, decisions, column=made["column"], skip=planted.__contains__)
    reading = made.get("reading") or {}
    if "reading" in made:
        with_contents(run, source)  # numbered rows of another file are other rows
        place = source or admitted(Path(str(made["name"])), known)
        return apply_decisions(
            place,
            out,
            decisions,
            target=reading.get("target") or "",
            id=reading.get("id"),
            task=reading.get("task"),
            skip=planted.__contains__,
        )
    if source is not None and source.is_dir() and run.learns.of_classes and run.manifest.parent is None:
        return apply_to_saved(
            source,
            out,
            decisions,
            ids=run.ids,
            labels=run.labels,
            class_names=run.class_names,
            skip=planted.__contains__,
        )
    raise BadInput(
        f"The run {str(run.folder)!r} was not made from a table, arrays, images or a corpus.",
        hint="--source FOLDER applies them to a Hugging Face dataset that save_to_disk wrote; of other sources change "
        "the data where they are made.",
    )
