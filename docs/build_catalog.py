"""Write docs/measures.md from the catalog. Usage: python docs/build_catalog.py [--check]."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

from byrote.measures.catalog import Measure, catalog

PAGE = Path(__file__).with_name("measures.md")


def page() -> str:
    """The page, a table and then a section a measure."""
    lines = [
        "# Measures",
        "",
        "Written from the catalog by `make docs`. Sections are those of the survey (Wei et al. 2025, "
        "doi:10.1145/3769076). Every score is oriented higher = more memorized.",
        "",
        "| measure | section | domain | level | evaluation | unit |",
        "|---|---|---|---|---|---|",
    ]
    for key, entry in catalog().items():
        facts = (entry.section, entry.domain, entry.level, entry.evaluation, entry.unit)
        lines.append(f"| `{key}` | {' | '.join(facts)} |")
    for key, entry in catalog().items():
        lines += ["", f"## `{key}`", "", *section(entry)]
    return "\n".join(lines) + "\n"


def section(entry: Measure) -> list[str]:
    """What the docstring says, and the facts."""
    low, high = entry.range
    return [
        "```text",
        inspect.getdoc(entry.function) or "",
        "```",
        "",
        f"- needs: {', '.join(f'`{need}`' for need in entry.needs)}",
        f"- range: {low:g} to {high:g} {entry.unit}; higher: {entry.higher}",
        f"- source: {entry.source}",
    ]


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(PAGE.read_text("utf-8") != page())
    PAGE.write_text(page(), "utf-8")
