"""The page of a trace: the text with its passages marked, and for each where it stands in the corpus."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

from byrote.analyses.trace import RARE, Place, Span, Trace
from byrote.evidence.made_here import write_own
from byrote.report.secrets import MASK, masked
from byrote.report.templates import environment, head
from byrote.report.text import count, cut

#: So many passages are told of, and so much of one, of the text, and of a document's id is shown.
MOST_SPANS, PASSAGE_LETTERS, TEXT_LETTERS, ID_LETTERS = 200, 600, 200_000, 80


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A stretch of the text, and the number on the page of the passage it is of; 0 for none."""

    text: str
    passage: int
    is_rare: bool
    is_first: bool


@dataclass(frozen=True, kw_only=True)
class Passage:
    """A passage as the list tells of it; `is_marked` where a piece of the text leads to it."""

    number: int
    span: Span
    text: str
    is_marked: bool


def without_secrets(found: Trace) -> Trace:
    """The trace with whatever looks like personal data, a key or a password masked, in the text and in the corpus."""
    (text,) = masked([found.text])
    return replace(found, text=text, spans=tuple(replace(one, places=_masked(one.places)) for one in found.spans))


def _masked(places: Sequence[Place]) -> tuple[Place, ...]:
    shown = [masked([place.before, place.passage, place.after]) for place in places]
    return tuple(
        replace(place, before=before, passage=passage, after=after)
        for place, (before, passage, after) in zip(places, shown, strict=True)
    )


def write_trace(found: Trace, path: Path, *, context: bool = False) -> None:
    """Write the page; `context` shows what stands around the passages in the corpus, which may be anyone's.

    Raises:
        BadInput: a file of somebody else is there.
    """
    write_own(path, trace_page(found, context=context).encode())


def trace_page(found: Trace, *, context: bool = False) -> str:
    """The page of a trace."""
    shown = found.longest_first[:MOST_SPANS]
    number_of = {span: number for number, span in enumerate(shown, start=1)}
    pieces = pieces_of(found, number_of)
    marked = {piece.passage for piece in pieces}
    return (
        environment()
        .get_template("trace.html.jinja")
        .render(
            **head("page.css", "trace.css"),
            byrote=version("byrote"),
            found=found,
            title=title(found),
            lead=lead(found),
            pieces=pieces,
            left_of_text=max(len(found.text) - TEXT_LETTERS, 0),
            passages=[
                Passage(
                    number=number,
                    span=found.spans[span],
                    text=cut(found.text[found.spans[span].start : found.spans[span].stop], PASSAGE_LETTERS),
                    is_marked=number in marked,
                )
                for span, number in number_of.items()
            ],
            left_out=len(found.spans) - len(shown),
            rare=RARE,
            rare_spans=sum(span.is_rare for span in found.spans),
            context=context,
            masked=any(MASK in piece.text for piece in pieces),
            id_letters=ID_LETTERS,
        )
    )


def title(found: Trace) -> str:
    """What was found, in a few words."""
    if not found.spans:
        return "No passage of this text occurs in the corpus"
    percent = f"{100 * found.share:.0f} %" if found.share >= 0.005 else "Less than 1 %"
    return f"{percent} of the words of this text occur in the corpus"


def lead(found: Trace) -> str:
    """What was looked for."""
    aside = "letter for letter" if found.exact else "case, spacing and punctuation ignored"
    passages = f"in {count(len(found.spans), 'passage')} of" if found.spans else "and none of them in a passage of"
    return (
        f"{count(len(found.words), 'word')}, {passages} {found.least} consecutive words or more in a document "
        f"of the corpus, {aside}; {count(found.documents, 'document')} searched."
    )


def pieces_of(found: Trace, number_of: dict[int, int]) -> list[Piece]:
    """The text in pieces, each word with the longest passage that it stands in."""
    pieces: list[Piece] = []
    at, end = 0, min(len(found.text), TEXT_LETTERS)
    owners = found.owner.tolist()
    seen: set[int] = set()
    first = 0
    for word in range(len(owners)):
        if word + 1 < len(owners) and owners[word + 1] == owners[word]:
            continue
        start, stop = int(found.words[first, 0]), min(int(found.words[word, 1]), end)
        first = word + 1
        if owners[word] not in number_of or start >= stop:
            continue
        number = number_of[owners[word]]
        pieces.append(_bare(found.text[at:start]))
        pieces.append(
            Piece(
                text=found.text[start:stop],
                passage=number,
                is_rare=found.spans[owners[word]].is_rare,
                is_first=number not in seen,
            )
        )
        seen.add(number)
        at = stop
    pieces.append(_bare(found.text[at:end]))
    return [piece for piece in pieces if piece.text]


def _bare(text: str) -> Piece:
    return Piece(text=text, passage=0, is_rare=False, is_first=False)
