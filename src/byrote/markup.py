"""Tables as HTML for a notebook: they take colours and fonts from the notebook, light or dark, and run nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

#: A longer cell is cut in a notebook.
LONGEST: Final = 120
#: All colours are the notebook's own, which says by no common sign whether it is dark.
STYLE: Final = (
    "<style>.byrote{overflow-x:auto;line-height:1.45;margin:.4em 0}"
    ".byrote table{border-collapse:collapse;border:0;background:transparent;color:inherit;margin:0}"
    ".byrote caption{caption-side:top;text-align:left;font-weight:600;color:inherit;padding:.2em .6em .4em 0}"
    ".byrote tr{background:transparent!important}"
    ".byrote th,.byrote td{text-align:left!important;vertical-align:top;padding:.2em 1.2em .2em 0;border:0;"
    "border-bottom:1px solid color-mix(in srgb,currentColor 22%,transparent);font-variant-numeric:tabular-nums;"
    "white-space:normal;max-width:40em;overflow-wrap:break-word}"
    ".byrote th{font-weight:600}.byrote p{margin:.4em 0;max-width:60em}</style>"
)


def table_html(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], notes: Iterable[str] = ()) -> str:
    """A table under its title, with its notes below; all of it is escaped. Columns without a word are left out.

    Example:
        >>> table_html("<", ["name"], [["<b>"]]).partition("<table>")[2]
        '<caption>&lt;</caption><tr><th>name</th></tr><tr><td>&lt;b&gt;</td></tr></table></div>'
    """
    lines = [columns, *map(tuple, rows)] if columns else [*map(tuple, rows)]
    told = [place for place in range(len(lines[0])) if len(lines) == 1 or any(line[place] for line in lines[1:])]
    tags = ["th" if columns else "td", *["td"] * len(lines)]
    body = "".join(_row([line[place] for place in told], tag) for line, tag in zip(lines, tags, strict=False))
    below = "".join(f"<p>{escape(note)}</p>" for note in notes if note)
    return f'{STYLE}<div class="byrote"><table><caption>{escape(title)}</caption>{body}</table>{below}</div>'


def _row(cells: Sequence[str], tag: str) -> str:
    return f"<tr>{''.join(f'<{tag}>{_cell(cell)}</{tag}>' for cell in cells)}</tr>"


def _cell(text: str) -> str:
    return escape(text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…")
