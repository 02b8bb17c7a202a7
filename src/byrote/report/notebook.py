"""What an analysis found, in a notebook: the section that the page and the terminal show of it."""

from __future__ import annotations

from typing import Final

from byrote.blocks import plain_blocks, section_of
from byrote.markup import STYLE
from byrote.report.asked import DRAWN
from byrote.report.templates import environment
from byrote.results import Table

#: Colours of figures are those of the page, ink and lines those of the notebook.
LOOK: Final = (
    "<style>.byrote{--ink:currentColor;--muted:currentColor;"
    "--line:color-mix(in srgb,currentColor 22%,transparent);--series-0:#0072b2;--series-1:#c44e00;"
    "--series-2:#00795a;--series-3:#a4508b;--series-4:#8a6100;--series-5:#777}"
    ".byrote .tiles{display:flex;flex-wrap:wrap;gap:.4em 2em;list-style:none;margin:.6em 0;padding:0}"
    ".byrote .tile h3{font-size:1em;margin:0}.byrote .big{font-size:1.3em;margin:0}.byrote .small{opacity:.75}"
    ".byrote .warning,.byrote .missing{border-left:4px solid var(--series-1);padding-left:.6em}"
    ".byrote .plot svg{width:100%;max-width:56em;height:auto}</style>"
)


def section_html(table: Table) -> str:
    """The section of the analysis that a table is `of`; empty if it has none of its own."""
    assert DRAWN  # sections that are drawn are entered with the module that names them
    blocks = section_of(table.of).blocks
    if blocks is plain_blocks:
        return ""
    module = environment().get_template("blocks.html.jinja").module
    shown = "".join(str(module.show(block)) for block in blocks(table))  # type: ignore[attr-defined]
    return f'{STYLE}{LOOK}<div class="byrote">{shown}</div>'
