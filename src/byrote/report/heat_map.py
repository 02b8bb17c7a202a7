"""Which cheap score to trust on this data: each beside label memorization and what was planted, as a heat map."""

from __future__ import annotations

import math
from typing import Any

from byrote.analyses.comparison import TOP, Comparison
from byrote.report import svg
from byrote.report.drawn_once import drawn_once
from byrote.report.figures import WIDTH, Figure
from byrote.report.text import kind_words, number
from byrote.results import Scalar

#: The darkest cell still lets its number be read.
DARKEST = 0.6
#: The heads of more columns than these are turned.
MOST_UPRIGHT = 7


@drawn_once
def heat_map(found: Comparison, score: str = "label memorization") -> Figure | None:
    """Scores down, criteria across, the darker the better; None where there is no score."""
    from matplotlib.figure import Figure as Canvas
    from matplotlib.patches import Rectangle

    if not found.proxies:
        return None
    criteria = _criteria(found)
    cells = [[figures.get(name) for name in criteria] for figures in _figures(found)]
    names = [proxy.measure.key for proxy in found.proxies]
    listed = ", ".join(criteria.values()).replace("\n", " ")
    title = f"{len(names)} scores by {len(criteria)} criteria: {listed}; most like {score} is {names[0]}"
    with svg.style():
        figure = Canvas(figsize=(WIDTH, 1.0 + 0.31 * len(names)), layout="constrained")
        figure.patch.set_visible(False)
        axis = figure.subplots()
        axis.patch.set_visible(False)
        for row, line in enumerate(cells):
            for column, cell in enumerate(line):
                known = cell is not None and not math.isnan(cell.value)
                if known:
                    assert cell is not None
                    depth = DARKEST * min(max(cell.value, 0.0), 1.0)
                    axis.add_patch(
                        Rectangle((column, row), 0.96, 0.92, facecolor=svg.SERIES[0], alpha=depth, linewidth=0)
                    )
                text = number(cell.value) if known and cell is not None else "–"
                inside = axis.text(column + 0.48, row + 0.46, text, ha="center", va="center", fontsize=9, color=svg.INK)
                inside.set_in_layout(False)  # it stands inside the axes, which need no room for it
        axis.set_xlim(0, len(criteria))
        axis.set_ylim(len(names), 0)
        turned: dict[str, Any] = (
            {"rotation": 40, "ha": "left", "rotation_mode": "anchor"} if len(criteria) > MOST_UPRIGHT else {}
        )
        heads = [words.replace("\n", " ") if turned else words for words in criteria.values()]
        axis.set_xticks([index + 0.48 for index in range(len(criteria))], heads, fontsize=9, **turned)
        axis.set_yticks([index + 0.46 for index in range(len(names))], names, fontsize=9)
        axis.xaxis.tick_top()
        axis.tick_params(length=0)
        axis.grid(visible=False)
        for spine in axis.spines.values():
            spine.set_visible(False)
        drawn = svg.inline(figure, name="scores-map", title=title)
    return Figure(
        name="scores-map",
        svg=drawn,
        title=title,
        columns=("score", *(name.replace("\n", " ") for name in criteria.values())),
        rows=tuple((name, *(_value(cell) for cell in line)) for name, line in zip(names, cells, strict=True)),
        canvas=figure,
    )


def _criteria(found: Comparison) -> dict[str, str]:
    """By key, in words for a narrow column."""
    criteria = {"rank": "rank\ncorrelation", "top": f"recall of\ntop {TOP:.0%}"}
    if any(proxy.adds is not None for proxy in found.proxies):
        criteria = {"rank": criteria["rank"], "adds": "the same,\ngiven loss", "top": criteria["top"]}
    if any(proxy.one_training is not None for proxy in found.proxies):
        criteria["single"] = "rank, of one\ntraining"
    return criteria | {f"found.{kind}": "finds\n" + kind_words(kind).replace(" ", "\n") for kind in found.kinds}


def _figures(found: Comparison) -> list[dict[str, Scalar | None]]:
    return [
        {
            "rank": proxy.rank_correlation,
            "adds": proxy.adds,
            "top": proxy.top_recall,
            "single": proxy.one_training,
            **{f"found.{kind}": proxy.average_precision[kind] for kind in found.kinds},
        }
        for proxy in found.proxies
    ]


def _value(figure: Scalar | None) -> str:
    if figure is None or math.isnan(figure.value):
        return "–"
    return number(figure.value) + ("" if math.isnan(figure.stderr) else f" ± {number(figure.stderr)}")
