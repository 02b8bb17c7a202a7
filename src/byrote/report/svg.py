"""A matplotlib figure as inline SVG that takes its colours and fonts from the page."""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: What is drawn in these colours gets the page's, which differ in light and dark.
INK, MUTED, LINE = "#010a01", "#020a02", "#030a03"
SERIES = tuple(f"#0{index}0b0{index}" for index in range(1, 7))
_VARIABLES = {INK: "--ink", MUTED: "--muted", LINE: "--line"} | {
    color: f"--series-{index}" for index, color in enumerate(SERIES)
}
_SALT = "byrote"
_DROPPED = {"font", "font-family", "font-weight"}  # the page's
_REFERENCE = re.compile(r"#([A-Za-z_][\w.-]*)")


@contextmanager
def style() -> Iterator[None]:
    """Settings under which figures are made and written; they end with the block."""
    import matplotlib

    settings: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": _SALT,
        "font.family": "DejaVu Sans",  # comes with matplotlib; the page's own font replaces it
        "font.size": 10,
        "text.color": INK,
        "axes.edgecolor": MUTED,
        "axes.labelcolor": INK,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": LINE,
        "grid.linewidth": 0.8,
        "xtick.color": MUTED,
        "ytick.color": MUTED,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "lines.linewidth": 2,
        "legend.frameon": False,
    }
    with matplotlib.rc_context(settings):
        yield


def inline(figure: Figure, *, name: str, title: str) -> str:
    """The figure as an `<svg>` element: text stays text, ids are the figure's own, `title` is read aloud.

    It holds no style attribute and no style element, so that the page's policy needs to allow neither.
    """
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    stream = io.BytesIO()
    canvas: Any = FigureCanvasSVG(figure)
    canvas.print_svg(stream, metadata={"Date": None})
    root = ElementTree.fromstring(stream.getvalue())
    for parent in root.iter():
        parent.tag = parent.tag.partition("}")[2] or parent.tag
        for child in list(parent):
            if child.tag.partition("}")[2] in ("metadata", "style"):
                parent.remove(child)
    used = {match for element in root.iter() for value in element.attrib.values() for match in _references(value)}
    for element in root.iter():
        attributes = dict(element.attrib)
        element.attrib.clear()
        for key, value in _attributes(attributes, name, used):
            element.set(key, value)
    width, height = root.get("viewBox", "0 0 1 1").split()[2:]
    root.attrib.clear()
    for key, value in {"viewBox": f"0 0 {width} {height}", "role": "img", "aria-labelledby": f"{name}-title"}.items():
        root.set(key, value)
    heading = ElementTree.Element("title", {"id": f"{name}-title"})
    heading.text = title
    root.insert(0, heading)
    return ElementTree.tostring(root, encoding="unicode")


def _references(value: str) -> list[str]:
    return _REFERENCE.findall(value) if value.startswith("#") or "url(#" in value else []


def _attributes(attributes: dict[str, str], name: str, used: set[str]) -> Iterator[tuple[str, str]]:
    for key, value in attributes.items():
        local = key.partition("}")[2] or key
        if local == "style":
            for part in value.split(";"):
                prop, _, setting = (text.strip() for text in part.partition(":"))
                if prop and prop not in _DROPPED:
                    yield prop, _own(_colored(setting), name)
        elif local == "id":
            if value in used:
                yield local, f"{name}-{value}"
        else:
            yield local, _own(_colored(value), name)


def _colored(value: str) -> str:
    return f"var({_VARIABLES[value]})" if value in _VARIABLES else value


def _own(value: str, name: str) -> str:
    return _REFERENCE.sub(rf"#{name}-\1", value) if _references(value) else value
