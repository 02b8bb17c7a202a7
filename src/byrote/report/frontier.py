"""The section of a frontier: every run as a point with both intervals, and the table."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from byrote.blocks import Block, Figure, TableBlock, Words, figure_rows, section
from byrote.report import svg
from byrote.report.figures import WIDTH
from byrote.results import Table, decimal


@section(of="frontier", title="Which change is worth its cost", order=12)
def shown(table: Table) -> Iterable[Block]:
    """The picture, the table, and how to read them."""
    yield points(table)
    yield TableBlock(
        title=table.title, columns=(*table.rows, *table.figures), rows=tuple(figure_rows(table, missing="–"))
    )
    yield Words(text="\n\n".join(table.notes), tone="reading")


def points(table: Table) -> Figure:
    """Memorization across, accuracy up; a run that is dominated is an empty mark."""
    from matplotlib.figure import Figure as Canvas

    (across, x), (up, y) = table.figures.items()
    names, verdicts = _labels(table), table.rows["verdict"]
    title = f"{up} against {across}: " + "; ".join(
        f"{names[at]} {decimal(a)} and {decimal(b)}, {verdicts[at]}"
        for at, (a, b) in enumerate(zip(x, y, strict=True))
        if a is not None and b is not None
    )
    with svg.style():
        canvas = Canvas(figsize=(WIDTH, 3.6), layout="constrained")
        canvas.patch.set_visible(False)
        axis = canvas.subplots()
        axis.patch.set_visible(False)
        for at, (a, b) in enumerate(zip(x, y, strict=True)):
            if a is None or b is None:
                continue
            color = svg.SERIES[at % len(svg.SERIES)]
            inside = "none" if verdicts[at].startswith("dominated") else color
            reach = [np.nan_to_num([[one.value - one.low], [one.high - one.value]]).clip(0) for one in (a, b)]
            axis.errorbar(
                a.value, b.value, xerr=reach[0], yerr=reach[1], color=color, marker="o", mfc=inside, linewidth=1.2
            )
            axis.annotate(
                names[at],
                (a.value, b.value),
                xytext=(6, 6),
                textcoords="offset points",
                fontsize=9,
                color=svg.INK,
            )
        axis.set_xlabel(across)
        axis.set_ylabel(up)
        drawn = svg.inline(canvas, name="frontier", title=title)
    return Figure(
        name="frontier",
        svg=drawn,
        title=title,
        columns=("change", across, up),
        rows=tuple(
            (names[at], *("–" if one is None else decimal(one) for one in pair))
            for at, pair in enumerate(zip(x, y, strict=True))
        ),
        canvas=canvas,
    )


def _labels(table: Table) -> tuple[str, ...]:
    """The change that made each run, or its name where none did."""
    pairs = zip(table.rows["change"], table.rows["run"], strict=True)
    return tuple(name if change == "–" else change for change, name in pairs)
