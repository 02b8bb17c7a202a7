"""Results as drawings of Matplotlib in whatever style a person has set; `result.plot()` ends here."""

from __future__ import annotations

from functools import singledispatch
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from byrote.analyses.card import Card
from byrote.errors import BadInput
from byrote.results import Curve, PerCanary, PerExample, PerModelExample, PerPair, Scalar, Survival, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Bars of a histogram.
BARS: Final = 40


def plot(result: Any, ax: Axes | None = None) -> Axes:
    """Draw a result on `ax`, or on new axes, and give the axes back; what has no value is not drawn.

    Raises:
        BadInput: it holds nothing to draw.
    """
    if ax is None:
        from matplotlib import pyplot

        ax = pyplot.subplots(layout="constrained")[1]
    _draw(result, ax)
    return ax


@singledispatch
def _draw(result: Any, ax: Axes) -> None:
    raise TypeError(f"{type(result).__name__} is no result")


@_draw.register(PerExample)
def _of_examples(result: PerExample, ax: Axes) -> None:
    _histogram(ax, result.values, "value")
    ax.set_ylabel("examples")


@_draw.register(PerPair)
def _of_pairs(result: PerPair, ax: Axes) -> None:
    _histogram(ax, result.values, "value")
    ax.set_ylabel("pairs")


@_draw.register(PerModelExample)
def _of_scores(result: PerModelExample, ax: Axes) -> None:
    _histogram(ax, result.values.ravel(), "score")
    ax.set_ylabel("examples of all target models")


def _histogram(ax: Axes, values: np.ndarray, what: str) -> None:
    ax.hist(values[np.isfinite(values)], bins=BARS)
    ax.set_xlabel(what)


@_draw.register(PerCanary)
def _of_canaries(result: PerCanary, ax: Axes) -> None:
    known = ~np.isnan(result.values)
    _bounded(ax, result.repetitions[known], result.values[known], result.low[known], result.high[known])
    ax.set(xlabel="repetitions", ylabel="value")


@_draw.register(Curve)
@_draw.register(Survival)
def _of_lines(result: Curve | Survival, ax: Axes) -> None:
    for row, group in enumerate(result.groups):
        (line,) = ax.plot(result.at, result.values[row], label=group)
        ax.fill_between(result.at, result.low[row], result.high[row], color=line.get_color(), alpha=0.2, linewidth=0)
    ax.set(xlabel=result.axis, ylabel="value")
    ax.legend()


@_draw.register(Scalar)
def _of_a_figure(result: Scalar, ax: Axes) -> None:
    _forest(ax, [""], [result])


@_draw.register(Table)
def _of_a_table(result: Table, ax: Axes) -> None:
    if not result.figures:
        raise BadInput(
            "A table without figures cannot be drawn.", hint="draw columns of it: table.to_pandas().plot(…)."
        )
    names = [" · ".join(name) for name in zip(*result.rows.values(), strict=True)]
    for number, (figure, column) in enumerate(result.figures.items()):
        _forest(ax, names, column, label=figure, lower=0.7 * number / len(result.figures), color=f"C{number}")
    if len(result.figures) > 1:
        ax.legend()


@_draw.register(Card)
def _of_a_card(result: Card, ax: Axes) -> None:
    _forest(ax, [row.name for row in result.rows], [row.difference for row in result.rows])
    ax.axvline(0.0, color="0.5", linewidth=1)
    ax.set_xlabel("difference")


def _forest(
    ax: Axes, names: list[str], figures: Any, *, label: str = "", lower: float = 0.0, color: str | None = None
) -> None:
    """A point a figure with its interval, a line below the other."""
    known = [(row, one) for row, one in enumerate(figures) if one is not None and not np.isnan(one.value)]
    at = np.array([row + lower for row, _ in known])
    value, low, high = (np.array([getattr(one, end) for _, one in known]) for end in ("value", "low", "high"))
    lengths = _lengths(value, low, high)
    ax.errorbar(value, at, xerr=lengths, fmt="o", color=color or "C0", label=label)
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.2, -0.8)


def _bounded(ax: Axes, at: np.ndarray, value: np.ndarray, low: np.ndarray, high: np.ndarray) -> None:
    ax.errorbar(at, value, yerr=_lengths(value, low, high), fmt="o")


def _lengths(value: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """From the value to both ends of its interval; none where an end is unknown, or the value is beyond it."""
    lengths: np.ndarray = np.maximum(np.nan_to_num([value - low, high - value]), 0.0)
    return lengths
