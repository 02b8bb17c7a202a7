"""What the strongly memorized examples probably are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from byrote.blocks import Block, Missing, TableBlock, Words, capital
from byrote.report.page_sections.section import PageSection
from byrote.report.text import kind_words, plain
from byrote.report.triaged import Triaged, looks

NOTHING: Final = "No strongly memorized example is without a planted control"


def triage(found: Triaged | Missing) -> PageSection:
    """The kinds of the memorized examples, as far as planted controls teach them."""
    return PageSection(
        name="triage",
        title="Triage: what the memorized examples probably are",
        short="Triage",
        summary="Not available: it needs planted controls"
        if isinstance(found, Missing)
        else ", ".join(f"{many} {looks(kind)}" for kind, many in found.counts) or NOTHING,
        blocks=(found,) if isinstance(found, Missing) else tuple(_blocks(found)),
    )


def _blocks(found: Triaged) -> Iterator[Block]:
    yield Words(text=_counted(found) + _told_apart(found))
    for one, other in found.alike:
        yield Words(
            text=f"{capital(kind_words(one))} and {kind_words(other)} are not told apart on these data better than "
            "by a coin: take a verdict of either as one of both.",
            tone="warning",
        )
    if found.confusion is not None:
        kinds = [kind_words(kind) for kind in found.kinds]
        yield TableBlock(
            title="Planted examples, by what they were taken for by what was learned without them",
            columns=("Planted", *kinds),
            rows=tuple((kind, *line) for kind, line in zip(kinds, found.confusion.tolist(), strict=True)),
        )
    notes = "".join(f"{plain(note, 400)} " for note in found.notes)
    yield Words(
        text=f"{notes}Filter the table of examples by how they look.\n\n"
        "What this does not mean: these are estimates with equal prior probabilities; in your data the causes are not "
        "equally frequent.",
        tone="reading",
    )


def _counted(found: Triaged) -> str:
    if not found.counts:
        return f"{NOTHING}."
    some = ", ".join(f"{many:,} look{'s' * (many == 1)} {looks(kind)}" for kind, many in found.counts)
    return f"Of the strongly memorized examples without a planted control, {some}."


def _told_apart(found: Triaged) -> str:
    if found.accuracy is None:
        return ""
    return (
        f" Planted examples are told apart with an accuracy of {found.accuracy:.2f} ± {found.accuracy_stderr:.2f} "
        f"(chance {1 / len(found.kinds):.2f}), at a mean confidence of {found.confidence:.2f}."
    )
