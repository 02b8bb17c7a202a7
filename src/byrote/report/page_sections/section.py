"""A section of a page, and how a page becomes the same for programs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from byrote.blocks import Block
from byrote.report.asked import Asked
from byrote.report.block_facts import block_facts
from byrote.report.text import count, plain
from byrote.runs.run import Run

#: Titles of analyses are cut in the list of sections.
LONGEST_SHORT: Final = 40


@dataclass(frozen=True, kw_only=True)
class PageSection:
    """A section: `name` is its place on the page, `short` its words in the list of sections, none where it is in none.

    It is folded where it has a `summary`. `source` says what its figures rest on. One with a `template` is drawn by
    that alone, and has no blocks. One without a title is a remark between others.
    """

    name: str
    title: str = ""
    blocks: tuple[Block, ...] = ()
    short: str = ""
    summary: str = ""
    source: str = ""
    template: str = ""


def asked_section(one: Asked) -> PageSection:
    """The section of an analysis that was asked."""
    return PageSection(
        name=f"asked-{one.name}", title=one.title, blocks=one.blocks, short=plain(one.title, LONGEST_SHORT)
    )


def source_of(run: Run, models: int) -> str:
    """What the figures of a report rest on, and the command that writes them as files."""
    rows = count(len(run.ids), "document" if run.of_text else "example")
    name = plain(run.manifest.dataset["name"], 80).replace("`", "'")
    return (
        f"From {models} model{'s' * (models != 1)} and {rows} of {name}, by byrote {run.manifest.byrote}. As a file: "
        "`byrote report RUN --figures DIR`"
    )


def section_facts(sections: Iterable[PageSection]) -> list[dict[str, Any]]:
    """The sections for programs, in the order of the page; those of a template have a key of their own elsewhere."""
    return [
        {"name": one.name, "title": one.title, "summary": one.summary, "blocks": [*map(block_facts, one.blocks)]}
        for one in sections
        if not one.template
    ]
