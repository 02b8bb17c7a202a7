"""Analyses that were asked of a run, as sections of its report: those that have no older section of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from byrote.analyses.catalog import Analysis, analyses, kept_table
from byrote.blocks import Block, Missing, section_of
from byrote.errors import ByroteError
from byrote.report import frontier, located
from byrote.report.block_facts import block_facts
from byrote.results import Table
from byrote.runs.run import Run

#: Analyses that every report runs again, in sections of its own, so their saved results change no page. The canaries
#: of a privacy audit are in no report.
MEASURED_ANEW: Final = frozenset(
    ("comparison", "epsilon", "group_risk", "issues", "membership", "pattern_or_rote", "target", "text_risks")
)
#: Those with a section of their own in the report, drawn.
ELSEWHERE: Final = MEASURED_ANEW | {"onion", "triage"}
#: Sections that are drawn stand in the report, as analyses know no drawing.
DRAWN: Final = (located.shown, frontier.shown)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """An analysis that a run keeps the table of, as a section: what it asks, and its blocks."""

    name: str
    title: str
    order: int
    asks: str
    blocks: tuple[Block, ...]


def asked(entry: Analysis, table: Table, **how: Any) -> Asked:
    """The section of an analysis; `how` are settings of the section, as how many rows it shows."""
    shown = section_of(entry.name, entry.asks)
    blocks = tuple(shown.blocks(table, **how))
    return Asked(name=entry.name, title=shown.title, order=shown.order, asks=entry.asks, blocks=blocks)


def all_asked(run: Run) -> tuple[Asked, ...]:
    """The sections of all analyses whose tables stand under `results/`, in their order."""
    found = [_kept(run, entry) for name, entry in analyses().items() if name not in ELSEWHERE]
    return tuple(sorted((one for one in found if one is not None), key=lambda one: (one.order, one.name)))


def _kept(run: Run, entry: Analysis) -> Asked | None:
    try:
        table = kept_table(run, entry.name)
    except ByroteError as error:
        missing = (Missing.because(error),)
        return Asked(name=entry.name, title=entry.asks, order=100, asks=entry.asks, blocks=missing)
    return None if table is None else asked(entry, table)


def asked_facts(found: tuple[Asked, ...]) -> dict[str, Any]:
    """The sections for programs, by the name of the analysis."""
    return {
        one.name: {"title": one.title, "asks": one.asks, "blocks": [block_facts(block) for block in one.blocks]}
        for one in found
    }
