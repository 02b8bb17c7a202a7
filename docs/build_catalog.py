"""Write docs/measures.md from the catalog. Usage: python docs/build_catalog.py [--check]."""

from __future__ import annotations

import inspect
import re
import sys
import textwrap
from pathlib import Path

from byrote.measures.catalog import Measure, catalog

PAGE = Path(__file__).with_name("measures.md")
PARTS = {"Formula": "text", "Undefined": "", "Differs": "", "Example": "python", "Raises": ""}
HEAD = """# Measures

Written from the catalog by `make docs`. Sections are those of the survey (Wei et al. 2025, doi:10.1145/3769076).
Every score is oriented higher = more memorized.

| measure | meaning | section | domain | level | evaluation | unit |
|---|---|---|---|---|---|---|
"""


def page() -> str:
    """The page: a table, and then a section a measure."""
    rows = [row(key, entry) for key, entry in catalog().items()]
    sections = [section(key, entry) for key, entry in catalog().items()]
    return HEAD + "".join(rows) + "".join(sections)


def row(key: str, entry: Measure) -> str:
    """A measure's line of the table, with a link to its section."""
    anchor = re.sub(r"[^\w-]", "", key)
    cells = (
        f"[`{key}`](#{anchor})",
        entry.title,
        entry.section,
        entry.domain,
        entry.level,
        entry.evaluation,
        entry.unit,
    )
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"


def section(key: str, entry: Measure) -> str:
    """What the docstring says, part by part, and the facts."""
    told = parts(entry)
    written = [f"## `{key}`", told.pop("")]
    for name, language in PARTS.items():
        if name in told:
            written.append(part(name, told.pop(name), language))
    assert not told, f"{key} has parts that the page does not know: {sorted(told)}"
    low, high = entry.range
    written.append(
        f"- Needs: {', '.join(f'`{need}`' for need in entry.needs)}\n"
        f"- Range: {low:g} to {high:g} {entry.unit}\n"
        f"- Higher: {entry.higher}\n"
        f"- Source: {entry.source}"
    )
    return "".join(f"\n{text}\n" for text in written)


def parts(entry: Measure) -> dict[str, str]:
    """The parts of the docstring by their names; what stands before the first one goes by an empty name."""
    pieces = re.split(r"^([A-Z][a-z]+):\n(?= )", inspect.getdoc(entry.function) or "", flags=re.MULTILINE)
    named = zip(pieces[1::2], pieces[2::2], strict=True)
    return {"": pieces[0].strip()} | {name: textwrap.dedent(text).strip() for name, text in named}


def part(name: str, text: str, language: str) -> str:
    """A part as a block of code where it has a language, and as prose where it has none."""
    return f"**{name}**\n\n```{language}\n{text}\n```" if language else f"**{name}.** {text}"


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(PAGE.read_text("utf-8") != page())
    PAGE.write_text(page(), "utf-8")
