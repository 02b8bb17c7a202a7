"""Every figure of a report as files: PNG and SVG in the colours of paper."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from byrote.errors import BadInput
from byrote.evidence.made_here import write_own
from byrote.report import svg
from byrote.report.figures import Figure

#: What stands for the page's colours while a figure is drawn, and what they are on paper: the page's light ones.
PAPER = {
    svg.INK: "#1b1a18",
    svg.MUTED: "#5d5953",
    svg.LINE: "#e2ded6",
    **dict(zip(svg.SERIES, ("#0072b2", "#c44e00", "#00795a", "#a4508b", "#8a6100", "#555555"), strict=True)),
}
DOTS_PER_INCH = 200
_PARTS = ("color", "facecolor", "edgecolor", "markerfacecolor", "markeredgecolor")


def write_figures(figures: Iterable[Figure], folder: Path) -> list[Path]:
    """Write `<name>.png` and `<name>.svg` of each figure into a folder, and say where.

    Example:
        A figure "distribution" becomes distribution.png, 200 dots an inch, and distribution.svg, its text as text.

    Raises:
        BadInput: the folder cannot be made, or holds a file of that name of somebody else's.
        NotEnoughRoom: the disk is full.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(
            f"The folder {str(folder)!r} for the figures cannot be made: {error.strerror or error}.",
            hint="--figures FOLDER, which may be new.",
        ) from error
    written = []
    for figure in figures:
        with svg.style():
            _recolour(figure.canvas)
            for kind in ("png", "svg"):
                path = folder / f"{figure.name}.{kind}"
                metadata: Any = {"Title": figure.title} | ({"Date": None} if kind == "svg" else {})
                drawn = io.BytesIO()
                figure.canvas.savefig(drawn, format=kind, dpi=DOTS_PER_INCH, facecolor="white", metadata=metadata)
                write_own(path, drawn.getvalue())
                written.append(path)
    return written


def _recolour(canvas: Any) -> None:
    """Give every artist of a drawn figure the colours of paper for those that stand for the page's."""
    from matplotlib.colors import to_hex, to_rgba_array

    canvas.draw_without_rendering()
    canvas.patch.set_visible(True)
    for artist in canvas.findobj():
        for part in _PARTS:
            found, give = getattr(artist, f"get_{part}", None), getattr(artist, f"set_{part}", None)
            if found is None or give is None:
                continue
            colours = to_rgba_array(found())
            paper = [PAPER.get(to_hex(colour)) for colour in colours]
            if any(paper):
                mended = [
                    (*to_rgba_array(new)[0][:3], colour[3]) if new else tuple(colour)
                    for new, colour in zip(paper, colours, strict=True)
                ]
                give(mended[0] if len(mended) == 1 else mended)
