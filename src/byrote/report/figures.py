"""The figures of the report, each with its caption for the ear and its numbers as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float

from byrote.analyses.memorized_share import MEMORIZED
from byrote.blocks import Figure as Figure
from byrote.report import svg
from byrote.report.drawn_once import drawn_once
from byrote.report.text import capital, count, kind_words, number
from byrote.report.trajectories import CLEAN, QUANTILES, Line, Trajectories
from byrote.results import Curve, PerExample

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

WIDTH = 7.6
#: Histogram bars are about this wide.
BAR = 0.05
#: From this many examples in one bar on, a linear axis hides the bars of one.
MANY = 60
#: Bars of a score that is no difference of rates.
EVEN_BARS = 40


def words(group: str) -> str:
    """A group of examples in words."""
    return "no planted control" if group == CLEAN else f"planted {kind_words(group)}"


@drawn_once
def distribution(
    result: PerExample,
    groups: Mapping[str, Bool[np.ndarray, " example"]],
    score: str = "label memorization",
    line: float | None = MEMORIZED,
    unit: str = "example",
) -> Figure:
    """Histograms of a score, one below the other, a group each; `line` is where memorization begins.

    `unit` is what is counted, in the singular.
    """
    defined = result.reason_code == 0
    edges = _edges(result) if line is not None else _even_edges(result)
    chosen = {name: result.values[mask & defined] for name, mask in groups.items()}
    chosen = {name: values for name, values in chosen.items() if len(values)}
    heights = {name: np.histogram(values, edges)[0] for name, values in chosen.items()}
    title = f"Histogram of {score}: " + "; ".join(
        f"{words(name) if len(groups) > 1 else f'all {unit}s'}, {count(len(values), unit)}, "
        f"median {number(float(np.median(values)))}"
        for name, values in chosen.items()
    )
    with svg.style():
        figure, axes = _canvas(max(1, len(chosen)), 2.0 if len(chosen) > 1 else 2.8)
        for index, (axis, (name, bars)) in enumerate(zip(axes, heights.items(), strict=False)):
            color = svg.SERIES[index % len(svg.SERIES)]
            axis.bar(edges[:-1], bars, np.diff(edges) * 0.92, align="edge", color=color, linewidth=0)
            if line is not None:
                axis.axvline(line, color=svg.INK, linewidth=1.2, linestyle=(0, (4, 3)))
            axis.grid(visible=False, axis="x")
            _count_axis(axis, int(bars.max()), f"{unit}s")
            what = words(name) if len(groups) > 1 else f"all {unit}s"
            axis.set_title(f"{what} ({count(int(bars.sum()), unit)})", loc="left", fontsize=10, color=svg.INK)
        axes[-1].set_xlabel(score)
        drawn = svg.inline(figure, name="distribution", title=title)
    return Figure(
        name="distribution",
        svg=drawn,
        title=title,
        columns=(score, *(words(name) if len(groups) > 1 else f"{unit}s" for name in heights)),
        rows=tuple(
            (f"{number(low)} to {number(high)}", *(f"{bars[index]:,}" for bars in heights.values()))
            for index, (low, high) in enumerate(pairwise(edges))
            if any(bars[index] for bars in heights.values())
        ),
        canvas=figure,
    )


@drawn_once
def training(found: Trajectories) -> Figure:
    """How training went over epochs, of planted and of clean examples, or over all."""
    return _by_control(found) if found.lines else _by_quantile(found)


def _by_control(found: Trajectories) -> Figure:
    title = f"Mean {found.what} by epoch: " + "; ".join(
        f"{_line_words(line)}, from {number(line.values[0])} to {number(line.values[-1])}" for line in found.lines
    )
    colors = _colors([line.group for line in found.lines])
    with svg.style():
        figure, (axis,) = _canvas(1, 3.4)
        for line in found.lines:
            dashes = "-" if line.trained else (0, (5, 3))
            axis.plot(found.epochs, line.values, color=colors[line.group], linestyle=dashes, label=_line_words(line))
            _band(axis, found.epochs, line.values - line.stderr, line.values + line.stderr, colors[line.group])
        _finish(axis, found.epochs, f"mean {found.what}", share=found.probability)
        drawn = svg.inline(figure, name="training", title=title)
    rows = [
        (f"{epoch}", *(_with_error(line.values[i], line.stderr[i]) for line in found.lines))
        for i, epoch in enumerate(found.epochs)
    ]
    columns = ("epoch", *(_line_words(line) for line in found.lines))
    return Figure(name="training", svg=drawn, title=title, columns=columns, rows=tuple(rows), canvas=figure)


def _by_quantile(found: Trajectories) -> Figure:
    title = f"{capital(found.what)} by epoch, over examples: " + "; ".join(
        f"{_side(q.trained)}, median from {number(q.values[2, 0])} to {number(q.values[2, -1])}"
        for q in found.quantiles
    )
    with svg.style():
        figure, (axis,) = _canvas(1, 3.4)
        for part in found.quantiles:
            color = svg.SERIES[0 if part.trained else 1]
            if part.trained:
                for low, high in ((0, 4), (1, 3)):
                    _band(axis, found.epochs, part.values[low], part.values[high], color)
            dashes = "-" if part.trained else (0, (5, 3))
            axis.plot(
                found.epochs, part.values[2], color=color, linestyle=dashes, label=f"median, {_side(part.trained)}"
            )
        _finish(axis, found.epochs, found.what, share=found.probability)
        drawn = svg.inline(figure, name="training", title=title)
    columns = ["epoch"] + [f"{q:.0%} of examples below, {_side(p.trained)}" for p in found.quantiles for q in QUANTILES]
    rows = [
        (f"{epoch}", *(number(part.values[q, i]) for part in found.quantiles for q in range(len(QUANTILES))))
        for i, epoch in enumerate(found.epochs)
    ]
    return Figure(name="training", svg=drawn, title=title, columns=tuple(columns), rows=tuple(rows), canvas=figure)


@drawn_once
def fitted(curve: Curve) -> Figure:
    """Share of the labels trained on that are fitted, by epoch: planted noise and clean."""
    named = ["no planted label noise" if name == CLEAN else name for name in curve.groups]
    groups = [(name, row) for row, name in enumerate(named) if not np.isnan(curve.values[row]).any()]
    title = "Share of labels fitted by epoch: " + "; ".join(
        f"{name}, from {curve.values[row, 0]:.0%} to {curve.values[row, -1]:.0%}" for name, row in groups
    )
    with svg.style():
        figure, (axis,) = _canvas(1, 2.9)
        for name, row in groups:
            color = svg.SERIES[0 if curve.groups[row] == CLEAN else 1]
            value, error = curve.values[row], curve.stderr[row]
            axis.plot(curve.at, value, color=color, label=name, marker="o", markersize=3.5)
            _band(axis, curve.at, value - error, value + error, color)
        _finish(axis, curve.at, "share of labels fitted")
        drawn = svg.inline(figure, name="fitted", title=title)
    rows = [
        (f"{at:g}", *(_with_error(curve.values[row, i], curve.stderr[row, i]) for _, row in groups))
        for i, at in enumerate(curve.at)
    ]
    columns = ("epoch", *(name for name, _ in groups))
    return Figure(name="fitted", svg=drawn, title=title, columns=columns, rows=tuple(rows), canvas=figure)


def _canvas(rows: int, height: float) -> tuple[Canvas, list[Any]]:
    from matplotlib.figure import Figure as Canvas

    figure = Canvas(figsize=(WIDTH, height * rows), layout="constrained")
    figure.patch.set_visible(False)
    axes = figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0]
    for axis in axes:
        axis.patch.set_visible(False)
    return figure, list(axes)


def _edges(result: PerExample) -> Float[np.ndarray, " edge"]:
    """Bars that hold equally many of the values that counts of models can give, so that none stands out by it."""
    defined = result.values[result.reason_code == 0]
    sides = [result.counts[side][result.reason_code == 0] for side in ("members", "nonmembers") if result.counts]
    step = 1.0 / max(1.0, float(np.median(sides[0]))) if len(sides) == 2 and len(defined) else 0.01
    width = step * max(1, round(BAR / step))
    low, high = (float(defined.min()), float(defined.max())) if len(defined) else (0.0, 1.0)
    first = np.floor((min(low, 0.0) + width / 2) / width) * width - width / 2
    return np.asarray(first + width * np.arange(int(np.ceil((max(high, 0.5) - first) / width + 1e-9)) + 1))


def _even_edges(result: PerExample) -> Float[np.ndarray, " edge"]:
    """Forty bars over all that is defined."""
    defined = result.values[result.reason_code == 0]
    low, high = (float(defined.min()), float(defined.max())) if len(defined) else (0.0, 1.0)
    return np.linspace(low, high if high > low else low + 1.0, EVEN_BARS + 1)


def _count_axis(axis: Any, largest: int, what: str) -> None:
    if largest > MANY:
        axis.set_yscale("log")
        axis.set_ylim(0.6, largest * 1.6)
        axis.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}" if value >= 1 else "")
        axis.minorticks_off()
        axis.set_ylabel(f"{what} (log)")
    else:
        axis.set_ylabel(what)
        axis.yaxis.get_major_locator().set_params(integer=True)


def _finish(axis: Any, epochs: np.ndarray, what: str, *, share: bool = True) -> None:
    """Epochs across, a share from 0 to 1 or a size from 0 upwards, and what the lines are."""
    _epoch_axis(axis, epochs)
    _legend(axis)
    axis.set_ylim(*((-0.02, 1.02) if share else (0.0, None)))
    axis.set_ylabel(what)


def _epoch_axis(axis: Any, epochs: np.ndarray) -> None:
    last = float(epochs.max())
    if last > 10:
        axis.set_xscale("symlog", linthresh=1.0, linscale=0.4)
        ticks = [0.0] + [digit * 10.0**power for power in range(7) for digit in (1, 2, 5) if digit * 10**power <= last]
        axis.set_xticks(ticks, [f"{tick:,.0f}" for tick in ticks])
        axis.minorticks_off()
    axis.set_xlim(float(epochs.min()), last)
    axis.set_xlabel("epochs trained" + (" (logarithmic)" if last > 10 else ""))


def _band(axis: Any, at: np.ndarray, low: np.ndarray, high: np.ndarray, color: str) -> None:
    axis.fill_between(at, low, high, color=color, alpha=0.22, linewidth=0)


def _legend(axis: Any) -> None:
    axis.figure.legend(loc="outside upper left", ncols=2, handlelength=2.6, fontsize=9.5)


def _colors(groups: Sequence[str]) -> dict[str, str]:
    names = list(dict.fromkeys(groups))
    return {name: svg.SERIES[index % len(svg.SERIES)] for index, name in enumerate(names)}


def _line_words(line: Line) -> str:
    return f"{words(line.group)}, {_side(line.trained)}"


def _side(trained: bool) -> str:
    return "trained on" if trained else "not trained on"


def _with_error(value: float, error: float) -> str:
    return number(value, 3) if np.isnan(error) else f"{number(value, 3)} ± {number(error, 3)}"
