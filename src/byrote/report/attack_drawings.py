"""Figures of membership attacks: the curve on two logarithmic axes, and how well slices of the examples are found."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np

from byrote.analyses.membership import AttackFigures
from byrote.report import svg
from byrote.report.attacks import Slice, attack_name, slices
from byrote.report.drawn_once import drawn_once
from byrote.report.figures import WIDTH, Figure
from byrote.report.text import kind_words, number, plain
from byrote.results import Scalar

#: Of classes and groups so many are drawn, those at the highest risk; the table has all.
MOST_SLICES = 12
LONGEST_NAME = 28
_DASHES: tuple[Any, ...] = ("-", (0, (6, 2)), (0, (1.5, 1.5)), (0, (6, 1.5, 1.5, 1.5)))
_AXES = {
    "memorization": "by tenth of label memorization, 10 the most",
    "class": "by class",
    "size": "by number of examples",
    "group": "by group",
    "control": "by planted control",
}


@drawn_once
def curves(attacks: Sequence[AttackFigures], name: str = "roc") -> Figure:
    """True positives by false positives, both logarithmic, with 95 % bands and what guessing gives."""
    from matplotlib.figure import Figure as Canvas

    title = "Share of members found by share of others accused, on logarithmic axes: " + "; ".join(
        f"{attack_name(found)}, AUC {number(found.figures['auc'].value, 3)}" for found in attacks
    )
    least = min(float(found.curve.at[0]) for found in attacks)
    with svg.style():
        figure = Canvas(figsize=(WIDTH, 4.4), layout="constrained")
        figure.patch.set_visible(False)
        axis = figure.subplots()
        axis.patch.set_visible(False)
        axis.set_xscale("log")
        axis.set_yscale("log")
        floor = least
        for index, found in enumerate(attacks):
            curve, color = found.curve, svg.SERIES[index % len(svg.SERIES)]
            values, low, high = (np.where(each > 0, each, np.nan)[0] for each in (curve.values, curve.low, curve.high))
            low = np.where(np.isnan(low), least / 10, low)
            axis.fill_between(curve.at, low, high, color=color, alpha=0.2, linewidth=0)
            dashes = _DASHES[index % len(_DASHES)]
            axis.plot(curve.at, values, color=color, linestyle=dashes, label=attack_name(found))
            if np.isfinite(values).any():
                floor = min(floor, float(np.nanmin(values)))
        axis.plot([least, 1], [least, 1], color=svg.MUTED, linewidth=1.2, linestyle=(0, (3, 3)), label="guessing")
        axis.set_xlim(least, 1)
        axis.set_ylim(floor, 1.05)
        for each in (axis.xaxis, axis.yaxis):
            each.set_major_formatter(lambda value, _: f"{100 * value:g} %")
        axis.minorticks_off()
        axis.set_xlabel("false-positive rate")
        axis.set_ylabel(f"{'members' if attacks[0].by == 'example' else 'groups of members'} found (true positives)")
        figure.legend(loc="outside upper left", ncols=5, handlelength=2.6, fontsize=9.5)
        drawn = svg.inline(figure, name=name, title=title)
    return Figure(
        name=name,
        svg=drawn,
        title=title,
        columns=("false positives", *(attack_name(found) for found in attacks)),
        rows=tuple(_points(attacks)),
        canvas=figure,
    )


def _points(attacks: Sequence[AttackFigures]) -> list[tuple[str, ...]]:
    """Each attack has rates of its own where scores are undefined; the first one's are told."""
    at = attacks[0].curve.at
    rows = []
    for rate in at:
        cells = []
        for found in attacks:
            value, low, high = (
                float(np.interp(rate, found.curve.at, each[0]))
                for each in (found.curve.values, found.curve.low, found.curve.high)
            )
            cells.append(f"{number(100 * value, 2)} % ({number(100 * low, 2)} to {number(100 * high, 2)})")
        rows.append((f"{100 * rate:.3g} %", *cells))
    return rows


@drawn_once
def by_slice(found: AttackFigures, *, name: str = "slices", classes: str = "by class") -> Figure | None:
    """How well an attack finds each slice of what was attacked; None where there is none."""
    from matplotlib.figure import Figure as Canvas

    axis_words = {**_AXES, "class": classes}
    every = slices(found)
    panels = [(axis, _shown(axis, list(each))) for axis, each in groupby(every, key=lambda one: one.axis)]
    panels = [(axis, each) for axis, each in panels if each]
    panels.sort(key=lambda panel: panel[0] != "memorization")
    if not panels:
        return None
    title = f"AUC of {attack_name(found)} by slice of the {found.by}s: " + "; ".join(
        f"{axis_words.get(axis, axis)}, from {number(min(e.auc.value for e in each))} to "
        f"{number(max(e.auc.value for e in each))}"
        for axis, each in panels
    )
    heights = [0.55 + 0.27 * len(each) for _, each in panels]
    with svg.style():
        figure = Canvas(figsize=(WIDTH, sum(heights) + 0.6), layout="constrained")
        figure.patch.set_visible(False)
        axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
        for index, (axis, (kind, each)) in enumerate(zip(axes, panels, strict=True)):
            axis.patch.set_visible(False)
            _dots(axis, each, svg.SERIES[index % len(svg.SERIES)])
            axis.axvline(found.figures["auc"].value, color=svg.INK, linewidth=1)
            axis.set_title(axis_words.get(kind, kind), loc="left", fontsize=10, color=svg.INK)
        axes[-1].set_xlabel(f"AUC; dashed .5, guessing; solid all {found.by}s")
        drawn = svg.inline(figure, name=name, title=title)
    return Figure(
        name=name,
        svg=drawn,
        title=title,
        columns=("slice", f"{found.by}s", "AUC", "TPR at 1 % FPR"),
        rows=tuple(
            (
                f"{axis_words.get(e.axis, e.axis).split(',')[0]}: {_name(e)}",
                f"{e.examples:,}",
                _value(e.auc),
                _value(e.found),
            )
            for e in every
        ),
        canvas=figure,
    )


def _shown(axis: str, each: Sequence[Slice]) -> list[Slice]:
    known = [one for one in each if not np.isnan(one.auc.value)]
    return known if axis == "memorization" else known[:MOST_SLICES]


def _dots(axis: Any, each: Sequence[Slice], color: str) -> None:
    at = np.arange(len(each))[::-1]
    values = np.array([one.auc.value for one in each])
    low, high = (np.array([getattr(one.auc, end) for one in each]) for end in ("low", "high"))
    axis.hlines(at, np.nan_to_num(low, nan=0.5), np.nan_to_num(high, nan=0.5), color=color, alpha=0.5, linewidth=4)
    axis.plot(values, at, "o", color=color, markersize=5.5)
    axis.axvline(0.5, color=svg.MUTED, linewidth=1.2, linestyle=(0, (3, 3)))
    axis.set_yticks(at, [_name(one) for one in each])
    axis.set_ylim(-0.7, len(each) - 0.3)
    axis.grid(visible=False, axis="y")


def _name(one: Slice) -> str:
    return kind_words(one.name) if one.axis == "control" else plain(one.name, LONGEST_NAME)


def _value(figure: Scalar) -> str:
    if np.isnan(figure.value):
        return "refused" if figure.reason else "–"
    return number(figure.value, 3) + ("" if np.isnan(figure.stderr) else f" ± {number(figure.stderr, 3)}")
