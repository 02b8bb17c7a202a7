"""The command that counts personal data in a corpus."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from byrote.cli.ask import print_block
from byrote.cli.consoles import err

if TYPE_CHECKING:
    from byrote.results import Table


def scan(
    corpus_file: Annotated[
        Path,
        typer.Argument(metavar="CORPUS", help="Documents: .txt, .jsonl, .parquet, or a saved Hugging Face dataset."),
    ],
    kind: Annotated[
        list[str] | None, typer.Option(help="card, iban, email or phone; all unless given; may be given again.")
    ] = None,
    region: Annotated[
        list[str] | None,
        typer.Option(help="Where national telephone numbers are at home; US, GB, DE and FR; may be given again."),
    ] = None,
    column: Annotated[str, typer.Option(help="The column of the corpus that holds the texts.")] = "text",
    seed: Annotated[int, typer.Option(min=0, help="Of the examples that are planted.")] = 0,
) -> None:
    """Count the personal data in a corpus by kind, and tell how much of such data the search finds; none is shown."""
    from byrote.analyses.scan import scan
    from byrote.data.corpus import read_corpus
    from byrote.data.personal import KINDS, REGIONS, Detectors

    detectors = Detectors(kinds=tuple(kind or KINDS), regions=tuple(region or REGIONS))
    with err.status("Reading the corpus…"):
        corpus = read_corpus(corpus_file, column=column)
    with err.status(f"Searching {len(corpus):,} documents…"):
        found = scan(corpus, detectors, seed=seed)
    _print(found.counts)
    _print(found.recall)


def _print(table: Table) -> None:
    from byrote.blocks import TableBlock, Words, figure_rows, sentence

    print_block(TableBlock(title=table.title, columns=(*table.rows, *table.figures), rows=tuple(figure_rows(table))))
    for note in table.notes:
        print_block(Words(text=sentence(note)))
