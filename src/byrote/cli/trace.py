"""The command that finds the passages of a text in a corpus."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from byrote.cli.answers import print_table, say, say_file
from byrote.cli.consoles import err
from byrote.errors import CHECK_THE_PATH, BadInput

if TYPE_CHECKING:
    from byrote.analyses.trace import Trace

ROWS, LETTERS = 20, 60
#: What a file of many documents ends in.
CORPORA = (".jsonl", ".parquet")


def trace(
    text_file: Annotated[Path, typer.Argument(metavar="TEXT", help="The text: a file in UTF-8, such as an answer.")],
    corpus_file: Annotated[
        Path, typer.Option("--corpus", help="Documents: .txt, .jsonl, .parquet, or a saved Hugging Face dataset.")
    ],
    column: Annotated[str, typer.Option(help="The column of the corpus that holds the texts.")] = "text",
    words: Annotated[int, typer.Option(min=1, help="Passages of fewer words are not looked for.")] = 5,
    exact: Annotated[bool, typer.Option("--exact", help="Case, spacing and punctuation count.")] = False,
    context: Annotated[
        bool, typer.Option("--show-context", help="Show what stands around the passages in the corpus.")
    ] = False,
    show_secrets: Annotated[
        bool, typer.Option("--show-secrets", help="Do not mask addresses, long numbers, keys and passwords.")
    ] = False,
    index_folder: Annotated[
        Path | None, typer.Option("--index", help="Where the index of a corpus over 500 MB is made and kept.")
    ] = None,
    out_file: Annotated[Path | None, typer.Option("--out", help="The page; TEXT.trace.html unless given.")] = None,
) -> None:
    """Find which passages of a text stand in a corpus, and in how many documents; print them and write a page."""
    from byrote.analyses.trace import trace
    from byrote.data.corpus import read_corpus
    from byrote.report.trace_page import without_secrets, write_trace

    if text_file.suffix.lower() in CORPORA:
        raise BadInput(
            f"The file to trace, {str(text_file)!r}, has the ending of a corpus.",
            hint="byrote trace answer.txt --corpus train.jsonl",
        )
    text = read_text(text_file)
    page = out_file or text_file.with_name(f"{text_file.stem}.trace.html")
    with err.status("Reading the corpus…"):
        corpus = read_corpus(corpus_file, column=column)
    with err.status(f"Searching {len(corpus):,} documents…"):
        found = trace(text, corpus, name=text_file.name, least=words, exact=exact, folder=index_folder)
    found = found if show_secrets else without_secrets(found)
    _print(found)
    write_trace(found, page, context=context)
    say_file("Page", page, apart=False)


def read_text(path: Path) -> str:
    """The text of a file in UTF-8, or in the form that its first bytes name.

    Raises:
        BadInput: there is no such file, or it is not UTF-8; the line is named.
    """
    from byrote.data.text_file import text_of

    if not path.is_file():
        raise BadInput(f"There is no file {str(path)!r}.", hint=CHECK_THE_PATH)
    return text_of(path)


def _print(found: Trace) -> None:
    from byrote.report.text import plain
    from byrote.report.trace_page import lead, title

    say(f"{title(found)}: {lead(found)}")
    if not found.spans:
        return
    shown = found.longest_first[:ROWS]
    rows = []
    for span in (found.spans[number] for number in shown):
        ids = ", ".join(plain(place.document, 30) for place in span.places[:2])
        more = f" and {span.documents - 2:,} more" if span.documents > 2 else ""
        passage = " ".join(found.text[span.start : span.stop].split())
        if len(passage) > LETTERS:
            passage = f"{passage[: LETTERS - 1]}…"
        rows.append([span.words, span.documents, span.occurrences, plain(passage), ids + more])
    print_table(["words", "documents", "times", "passage", "in"], rows)
    if len(found.spans) > len(shown):
        say(f"{len(found.spans) - len(shown):,} shorter passages are on the page.")
