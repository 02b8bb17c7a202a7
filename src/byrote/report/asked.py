"""Analyses that were asked of a run, as sections of its report: those that have no older section of their own."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

from byrote.analyses.catalog import Analysis, analyses, kept_table
from byrote.blocks import Block, Cell, Figure, Missing, TableBlock, section_of
from byrote.errors import ByroteError
from byrote.report import located
from byrote.results import Scalar, Table, decimal, plain_number
from byrote.runs.run import Run

#: Analyses that every report runs again, in sections of its own, so their saved results change no page. The canaries
#: of a privacy audit are in no report.
MEASURED_ANEW: Final = frozenset(("comparison", "epsilon", "group_risk", "issues", "membership", "target"))
#: Those with a section of their own in the report, drawn.
ELSEWHERE: Final = MEASURED_ANEW | {"onion", "triage"}
#: Sections that are drawn stand in the report, as analyses know no drawing.
DRAWN: Final = (located.shown,)
#: A cell of more letters than a figure with its interval has is a text.
LONGEST_FIGURE: Final = 30


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


def block_facts(block: Block) -> dict[str, Any]:
    """A block for programs: its fields in JSON's types, and `block`, the name of its kind."""
    kind = type(block).__name__
    facts: dict[str, Any]
    if isinstance(block, Figure):
        facts = {"name": block.name, "title": block.title, "columns": block.columns, "rows": block.rows}
    elif isinstance(block, TableBlock):
        rows = [[_cell(cell) for cell in row] for row in block.rows]
        facts = {"title": block.title, "columns": block.columns, "rows": rows}
    else:
        facts = asdict(block)
    return {"block": kind, **_lists(facts)}


def asked_facts(found: tuple[Asked, ...]) -> dict[str, Any]:
    """The sections for programs, by the name of the analysis."""
    return {
        one.name: {"title": one.title, "asks": one.asks, "blocks": [block_facts(block) for block in one.blocks]}
        for one in found
    }


def for_page(found: tuple[Asked, ...]) -> list[dict[str, Any]]:
    """The sections as the template takes them: each block with its `kind`, figures in words."""
    return [
        {"name": one.name, "title": one.title, "blocks": [_for_page(block) for block in one.blocks]} for one in found
    ]


def _for_page(block: Block) -> dict[str, Any]:
    facts = {each.name: getattr(block, each.name) for each in fields(block)}
    if isinstance(block, TableBlock):
        facts["rows"] = [[cell_words(cell) for cell in row] for row in block.rows]
        facts["prose"] = [any(_is_prose(row[column]) for row in block.rows) for column in range(len(block.columns))]
    if "items" in facts:  # of a dictionary a template would take the method of that name
        facts["members"] = facts.pop("items")
    return {"kind": type(block).__name__, **facts}


def _cell(cell: Cell) -> Any:
    """A cell in JSON's types; what is not known is None."""
    if isinstance(cell, Scalar):
        return _figure(cell)
    return None if isinstance(cell, float) and not math.isfinite(cell) else cell


def _figure(figure: Scalar) -> dict[str, Any]:
    parts = {name: getattr(figure, name) for name in ("value", "stderr", "low", "high")}
    known = {name: value if math.isfinite(value) else None for name, value in parts.items()}
    counts = {"models": figure.models, "examples": figure.examples, "varies_over": figure.varies_over}
    return {**known, **counts, **({"reason": figure.reason} if figure.reason else {})}


def _lists(facts: Any) -> Any:
    if isinstance(facts, dict):
        return {name: _lists(value) for name, value in facts.items()}
    return [_lists(one) for one in facts] if isinstance(facts, list | tuple) else facts


def _is_prose(cell: Cell) -> bool:
    """Whether a cell is read as a sentence, so that its column is set from the left."""
    return isinstance(cell, str) and len(cell) > LONGEST_FIGURE


def cell_words(cell: Cell) -> str:
    """A cell of a table block in words; an unknown number is a dash.

    Example:
        >>> [cell_words(cell) for cell in ("a-b", -0.12345, 1438, None)]
        ['a-b', '−0.123', '1438', '–']
    """
    if isinstance(cell, str):
        return cell
    text = decimal(cell) if isinstance(cell, Scalar) else plain_number(cell)
    return text.replace("-", "−")
