"""The privacy onion in the report, where `byrote onion` left its table in the run's folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from byrote.analyses.onion import AT_RISK, TABLE
from byrote.report import svg
from byrote.report.figures import WIDTH, Figure
from byrote.report.text import number
from byrote.results import Scalar
from byrote.runs.run import Run

FIGURES = ("value", "stderr", "low", "high", "models", "examples")
ARMS = {
    "before": "before",
    "plain": "trained anew",
    "random": "a random layer removed",
    "riskiest": "the riskiest layer removed",
}


@dataclass(frozen=True, kw_only=True)
class Peeled:
    """Figures by name and arm; `shown` says whether the next layer's risk rose by more than either control."""

    layers: Mapping[str, Mapping[str, Scalar]]

    @property
    def shown(self) -> bool:
        """Whether what the claim is about lies wholly above 0 beside both controls."""
        first = next(iter(self.layers.values()))
        return first["over_plain"].low > 0 and first["over_random"].low > 0


def peeled(run: Run) -> Peeled | None:
    """What the onion of a run showed; None where there was none."""
    path = run.folder / "results" / TABLE
    if not path.is_file():
        return None
    layers: dict[str, dict[str, Scalar]] = {}
    for row in run.kept_table(TABLE, "figure", "arm", *FIGURES).to_pylist():
        figure = Scalar(
            value=row["value"],
            stderr=row["stderr"],
            low=row["low"],
            high=row["high"],
            models=row["models"],
            examples=row["examples"],
        )
        layers.setdefault(row["figure"], {})[row["arm"]] = figure
    return Peeled(layers=layers)


def drawn(found: Peeled) -> Figure:
    """Every figure in each arm, with its interval."""
    from matplotlib.figure import Figure as Canvas

    title = "Membership risk as a layer is peeled off: " + "; ".join(
        f"{name}, from {number(arms['before'].value)} to {number(arms['riskiest'].value)}"
        for name, arms in found.layers.items()
    )
    with svg.style():
        figure = Canvas(figsize=(WIDTH, 1.75 * len(found.layers)), layout="constrained")
        figure.patch.set_visible(False)
        axes = figure.subplots(len(found.layers), 1, squeeze=False)[:, 0]
        for index, (axis, (name, arms)) in enumerate(zip(axes, found.layers.items(), strict=True)):
            axis.patch.set_visible(False)
            _dots(axis, [arms[arm] for arm in ARMS], svg.SERIES[index % len(svg.SERIES)])
            axis.set_title(name, loc="left", fontsize=10, color=svg.INK)
        made = svg.inline(figure, name="onion", title=title)
    return Figure(
        name="onion",
        svg=made,
        title=title,
        columns=("figure", *ARMS.values(), "beyond anew", "beyond random"),
        rows=tuple(
            (name, *(_value(arms[arm]) for arm in (*ARMS, "over_plain", "over_random")))
            for name, arms in found.layers.items()
        ),
        canvas=figure,
    )


def onion_words(found: Peeled) -> str:
    """What the onion says, in a sentence."""
    first = next(iter(found.layers.values()))
    verdict = (
        "puts the layer below it at risk"
        if found.shown
        else "is not shown to put the layer below it at risk, beyond what both controls do"
    )
    return (
        f"Removing the riskiest examples {verdict}: its mean risk is {_value(first['riskiest'])} then, "
        f"{_value(first['plain'])} in models trained anew on everything, and {_value(first['random'])} without as many "
        f"drawn at random. At risk means {AT_RISK} or more."
    )


def _dots(axis: Any, figures: list[Scalar], color: str) -> None:
    at = np.arange(len(figures))[::-1]
    values, low, high = (np.array([getattr(one, part) for one in figures]) for part in ("value", "low", "high"))
    axis.hlines(at, low, high, color=color, alpha=0.5, linewidth=4)
    axis.plot(values, at, "o", color=color, markersize=5.5)
    axis.set_yticks(at, list(ARMS.values()))
    axis.set_ylim(-0.6, len(figures) - 0.4)
    axis.grid(visible=False, axis="y")


def _value(figure: Scalar) -> str:
    if np.isnan(figure.value):
        return "–"
    return number(figure.value, 3) + ("" if np.isnan(figure.stderr) else f" ± {number(figure.stderr, 3)}")
