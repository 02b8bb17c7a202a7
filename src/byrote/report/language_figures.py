"""The figures of a language model's report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from byrote.report import svg
from byrote.report.drawn_once import drawn_once
from byrote.report.figures import WIDTH, Figure, distribution
from byrote.report.language_facts import LanguageFacts
from byrote.report.text import number
from byrote.results import Curve, PerCanary

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

#: What chance gives: exposure of an unseen secret is exponential with mean 1 / ln 2, and 4.3 bits at its 95 % quantile.
CHANCE_MEAN: Final = 1 / float(np.log(2))
CHANCE_HIGH: Final = -float(np.log2(0.05))


def figures_of(found: LanguageFacts) -> dict[str, Figure]:
    """Those figures for which there is something to draw."""
    figures = {}
    if found.by_copies is not None and np.isfinite(found.by_copies.values[0]).sum() > 1 and _any(found.by_copies):
        figures["extraction"] = extraction(found.by_copies)
    for name, curve in (("prefix", found.by_prefix), ("context", found.by_context)):
        if curve is not None and len(curve.at) > 1 and _any(curve):
            figures[name] = given(curve, name)
    if found.by_repetitions is not None and np.isfinite(found.by_repetitions.values).sum() > 1:
        figures["exposure"] = exposure(found.by_repetitions, found.space_bits)
    if found.exposures is not None and np.isfinite(found.exposures.values).any():
        figures["null"] = null(found.exposures)
    if found.queries is not None and _any(found.queries):
        figures["queries"] = queries(found.queries, found.drawn)
    if found.trajectory is not None and len(found.trajectory.at) > 1:
        figures["training"] = training(found.trajectory)
    result = found.counterfactual
    if result is not None and not result.reason_code.all():
        everyone = np.ones(len(result.values), bool)
        figures["presence"] = replace(
            distribution(result, {"documents": everyone}, "counterfactual memorization", line=None, unit="document"),
            name="presence",
        )
    return figures


def _any(curve: Curve) -> bool:
    """Whether a curve of shares is anywhere above 0: there is nothing to look at in one that is not."""
    return bool((np.nan_to_num(curve.values) > 0).any())


def extraction(curve: Curve) -> Figure:
    """The share of documents that are recited, by how often they stand in the corpus."""
    return _curve(curve, "extraction", "share of documents recited", "times in the corpus", share=True)


def given(curve: Curve, name: str) -> Figure:
    """The share of different texts that are recited, by how many of their tokens are given."""
    return _curve(curve, name, "share of texts recited", "tokens given", share=True)


def queries(curve: Curve, drawn: str) -> Figure:
    """The share of documents that come out of so many answers."""
    return _curve(curve, "queries", "share that comes out", f"answers drawn {drawn}", share=True)


def training(curve: Curve) -> Figure:
    """The share of next tokens that are predicted, by epochs."""
    return _curve(curve, "training", "share of next tokens predicted", "epochs trained", share=True)


def exposure(curve: Curve, space_bits: Sequence[float]) -> Figure:
    """Mean exposure by number of repetitions, between what chance gives and all that there is to know.

    In bits, or in shares of them where secrets have different numbers of bits.
    """
    across = "times in the corpus"
    if len(space_bits) > 1:
        return _curve(curve, "exposure", "share of a secret's bits exposed", across, share=True)
    lines = {"chance": (CHANCE_MEAN, (0, (2, 2))), "all of the secret": (space_bits[0], (0, (6, 3)))}
    return _curve(curve, "exposure", "exposure in bits", across, share=False, lines=lines)


@drawn_once
def null(found: PerCanary) -> Figure:
    """Every canary by its exposure, above what chance gives to secrets that were never seen."""
    levels = np.unique(found.repetitions)
    known = np.isfinite(found.values)
    rows = {int(times): np.sort(found.values[known & (found.repetitions == times)]) for times in levels}
    rows = {times: values for times, values in rows.items() if len(values)}
    title = "Exposure of each canary in bits, by how often it stands in the corpus: " + "; ".join(
        f"{_times(times)}, {number(values[0], 1)} to {number(values[-1], 1)}" for times, values in rows.items()
    )
    with svg.style():
        figure, axis = _canvas(1.1 + 0.32 * len(rows))
        axis.axvspan(0, CHANCE_HIGH, color=svg.MUTED, alpha=0.14, linewidth=0, label="95 % of secrets never seen")
        axis.axvline(CHANCE_MEAN, color=svg.MUTED, linewidth=1.2, linestyle=(0, (2, 2)), label="their mean")
        for place, (times, values) in enumerate(rows.items()):
            color = svg.SERIES[1 if times else 5]
            axis.plot(values, np.full(len(values), place), "|", color=color, markersize=13, markeredgewidth=2)
        axis.set_yticks(range(len(rows)), [_times(times) for times in rows])
        axis.set_ylim(-0.6, len(rows) - 0.4)
        axis.set_xlim(left=0)
        axis.grid(visible=False, axis="y")
        axis.set_xlabel("exposure in bits")
        figure.legend(loc="outside upper left", ncols=2, handlelength=2.6, fontsize=9.5)
        drawn = svg.inline(figure, name="null", title=title)
    return Figure(
        name="null",
        svg=drawn,
        title=title,
        columns=("times in the corpus", "canaries", "least", "median", "most", "share over 4.3 bits"),
        rows=tuple(
            (
                _times(times),
                f"{len(values)}",
                *(number(float(value), 1) for value in (values[0], np.median(values), values[-1])),
                f"{(values > CHANCE_HIGH).mean():.0%}",
            )
            for times, values in rows.items()
        ),
        canvas=figure,
    )


def _times(times: int) -> str:
    return {0: "never planted", 1: "once"}.get(times, f"{times:,} times")


@drawn_once
def _curve(
    curve: Curve, name: str, up: str, across: str, *, share: bool, lines: dict[str, tuple[float, Any]] | None = None
) -> Figure:
    """The groups of a curve as lines with bands of 95 %, from a logarithmic axis on where it reaches far."""
    known = [row for row in range(len(curve.groups)) if np.isfinite(curve.values[row]).any()]
    title = f"{up.capitalize()} by {across}: " + "; ".join(
        f"{curve.groups[row]}, "
        + ", ".join(
            f"{_value(value, share=share)} at {_plain(at)}"
            for at, value in zip(curve.at, curve.values[row], strict=True)
            if np.isfinite(value)
        )
        for row in known
    )
    with svg.style():
        figure, axis = _canvas(3.0)
        for place, row in enumerate(known):
            there = np.isfinite(curve.values[row])
            at, color = curve.at[there], svg.SERIES[0 if place == 0 else 5]
            dashes: Any = "-" if place == 0 else (0, (5, 3))
            axis.plot(at, curve.values[row][there], color=color, linestyle=dashes, marker="o", markersize=4,
                      label=curve.groups[row])  # fmt: skip
            axis.fill_between(at, curve.low[row][there], curve.high[row][there], color=color, alpha=0.2, linewidth=0)
        for label, (height, dashes) in (lines or {}).items():
            axis.axhline(height, color=svg.MUTED, linewidth=1.2, linestyle=dashes, label=label)
        _across(axis, curve.at)
        axis.set_xlabel(across)
        axis.set_ylabel(up)
        axis.set_ylim(-0.02, 1.02) if share else axis.set_ylim(bottom=0)
        figure.legend(loc="outside upper left", ncols=2, handlelength=2.6, fontsize=9.5)
        drawn = svg.inline(figure, name=name, title=title)
    rows = [
        (_plain(at), *(_cell(curve, row, point, share=share) for row in known)) for point, at in enumerate(curve.at)
    ]
    columns = (across, *(curve.groups[row] for row in known))
    return Figure(name=name, svg=drawn, title=title, columns=columns, rows=tuple(rows), canvas=figure)


def _across(axis: Any, at: np.ndarray) -> None:
    if at.max() > 16 * max(float(at[at > 0].min(initial=1.0)), 1e-9):
        axis.set_xscale("symlog", linthresh=float(at[at > 0].min()), base=2 if at.max() < 4_096 else 10, linscale=0.6)
        axis.set_xticks(at, [_plain(value) for value in at])
        axis.minorticks_off()
        if at.min() == 0:
            axis.set_xlim(left=0)


def _plain(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) else f"{value:g}"


def _value(value: float, *, share: bool) -> str:
    return f"{value:.0%}" if share else number(value, 1)


def _cell(curve: Curve, row: int, point: int, *, share: bool) -> str:
    value, low, high = (float(some[row, point]) for some in (curve.values, curve.low, curve.high))
    if np.isnan(value):
        return "–"
    interval = "" if np.isnan(low) else f" ({_value(low, share=share)} to {_value(high, share=share)})"
    return _value(value, share=share) + interval


def _canvas(height: float) -> tuple[Canvas, Any]:
    from matplotlib.figure import Figure as Canvas

    figure = Canvas(figsize=(WIDTH, height), layout="constrained")
    figure.patch.set_visible(False)
    axis = figure.subplots()
    axis.patch.set_visible(False)
    return figure, axis
