"""The risk of persons and documents as a figure, beside what chance alone gives."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from byrote.report import svg
from byrote.report.drawn_once import drawn_once
from byrote.report.figures import WIDTH, Figure
from byrote.report.grouped import NO_RISK, Grouped
from byrote.report.text import count, number

BARS, FEW_BARS = 20, 10
#: Risks from fewer models take few values.
FEW_MODELS = 16


@drawn_once
def group_risks(found: Grouped) -> Figure:
    """A histogram of the risk of groups, and as a line with its range what swapped membership gives."""
    from matplotlib.figure import Figure as Canvas
    from matplotlib.ticker import MaxNLocator

    edges = np.linspace(0.0, 1.0, (FEW_BARS if found.risk.models < FEW_MODELS else BARS) + 1)
    values = found.risk.values[found.risk.reason_code == 0]
    bars = np.histogram(values, edges)[0]
    draws = np.stack([np.histogram(one[~np.isnan(one)], edges)[0] for one in found.chance])
    expected, least, most = draws.mean(0), draws.min(0), draws.max(0)
    middle = number(float(np.median(values))) if len(values) else "–"
    title = (
        f"Membership risk of {count(len(values), 'group')}, median {middle}; where membership is swapped at random the "
        f"median is {number(float(np.nanmedian(found.chance)))}"
    )
    with svg.style():
        figure = Canvas(figsize=(WIDTH, 3.2), layout="constrained")
        figure.patch.set_visible(False)
        axis = figure.subplots()
        axis.patch.set_visible(False)
        axis.bar(
            edges[:-1], bars, np.diff(edges) * 0.92, align="edge", color=svg.SERIES[0], linewidth=0, label="groups"
        )
        color = svg.SERIES[1]
        axis.fill_between(
            edges,
            np.append(least, least[-1]),
            np.append(most, most[-1]),
            step="post",
            color=color,
            alpha=0.2,
            linewidth=0,
        )
        axis.stairs(
            expected,
            edges,
            color=color,
            linewidth=1.8,
            linestyle=(0, (5, 2)),
            baseline=None,
            label="membership swapped at random",
        )
        axis.axvline(NO_RISK, color=svg.INK, linewidth=1.2, linestyle=(0, (1.5, 2)), label="no risk")
        axis.set_xlim(0, 1)
        axis.set_xlabel("membership risk of a group")
        axis.set_ylabel("groups")
        axis.yaxis.set_major_locator(MaxNLocator(nbins="auto", integer=True))
        figure.legend(loc="outside upper left", ncols=3, handlelength=2.6, fontsize=9.5)
        drawn = svg.inline(figure, name="group-risk", title=title)
    return Figure(
        name="group-risk",
        svg=drawn,
        title=title,
        columns=("risk", "groups", "by chance, mean", "by chance, range"),
        rows=tuple(
            (f"{number(low)} to {number(high)}", f"{bars[i]:,}", f"{expected[i]:.1f}", f"{least[i]:,} to {most[i]:,}")
            for i, (low, high) in enumerate(pairwise(edges))
            if bars[i] or most[i]
        ),
        canvas=figure,
    )
