"""Paths across runs: do the same units carry an example in every network, or different units in each network?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float, Int

from byrote.analyses.catalog import analysis
from byrote.analyses.where_groups import groups_of
from byrote.blocks import Block, Words, plain_blocks, section
from byrote.errors import MissingEvidence
from byrote.measures._localization import FEWEST, enough
from byrote.probes.unit_paths import FIGURES, WHOSE
from byrote.results import Scalar, Table
from byrote.runs.run import Run
from byrote.stats.jackknife import from_replicates
from byrote.stats.shared_models import between

#: Columns of the table: one quantity, or the first minus the second.
COLUMNS = {
    "own": ("own", ""),
    "another example's": ("other", ""),
    "another's of its label": ("same_label", ""),
    "own less another's": ("own", "other"),
    "own less its label's": ("own", "same_label"),
}
_FIGURES = {"overlap": "units in common", "lost": "lost with them"}


@analysis(
    asks="Is an example carried by the same units in every network?",
    needs=("unit_paths",),
    section="4.5",
)
def unit_paths(run: Run) -> Table:
    """The units that carry an example in one network, matched with those of another one, by group.

    Formula:
        units in common = mean of |A n B| / |A u B|, A the units that carry the example in a network and B those of
        the other network, matched; lost with them = share of the examples that a network loses when the units that
        carry them in the other network, matched, are silenced. The other columns use the units of another example, and
        of another example with the same given label, in the other network.
    Undefined:
        a group with fewer than 20 examples that are trained on and predicted in both networks, in every model; errors
        below 4 pairs of models, or 4 models without mates.

    Source: after Maini et al. 2023, arXiv:2307.09542, section 5; matching of units by Li et al. 2016,
    arXiv:1511.07543.
    Differs:
        Units are matched before they are compared, and the units of another example of the same label are the null.

    Raises:
        MissingEvidence: the run was not probed.
    """
    models = run.models_with("unit_paths")
    if not models:
        raise MissingEvidence(
            f"The units of the models of the run {str(run.folder)!r} were not matched.",
            hint="audit into another folder with --keep-weights-at last, then byrote probe RUN unit_paths.",
        )
    groups, pair = groups_of(run, np.array(models, np.int64)), run.load("design.pair", models)
    compared = run.load("unit_paths.networks", models) > 0
    loaded = {
        f"{what}_{whose}": run.load(f"unit_paths.{what}_{whose}", models).astype(np.float64)
        for what in FIGURES
        for whose in WHOSE
    }
    there = [group for group in groups if (group.rows & compared).any()]
    rows = [(group, what) for group in there for what in FIGURES]
    figures = {
        name: tuple(
            over_networks(_difference(loaded, what, first, second), group.rows & compared, pair) for group, what in rows
        )
        for name, (first, second) in COLUMNS.items()
    }
    alike = run.load("unit_paths.alike", models).mean(0)
    layers = run.load("unit_paths.layer", models).tolist()
    return Table(
        title="Paths across networks",
        rows={"group": tuple(g.name for g, _ in rows), "figure": tuple(_FIGURES[what] for _, what in rows)},
        figures=figures,
        across="units",
        notes=(
            "Mean correlation of matched units: "
            + ", ".join(f"{layer} {value:.2f}" for layer, value in zip(layers, alike, strict=True))
            + ". Where it is low, units in common are too few in every column.",
        ),
    )


def over_networks(
    values: Float[np.ndarray, "model example"], rows: Bool[np.ndarray, "model example"], pair: Int[np.ndarray, " model"]
) -> Scalar:
    """The mean over a group's examples, then over models, with the error of a similarity between models.

    Undefined:
        where a model has fewer than 20 of the examples; the error as in `stats.shared_models`, which is too large
        where networks do not differ from each other.
    """
    each = np.array(
        [of[mine].mean() if enough(int(mine.sum())) else np.nan for of, mine in zip(values, rows, strict=True)]
    )
    known, examples = np.isfinite(each), int(rows.any(0).sum())
    if known.any():
        return replace(between(each[known], pair[known]), examples=examples)
    why = f"fewer than {FEWEST} examples in every model"
    return replace(from_replicates(np.nan, np.empty(0), models=0, examples=examples), reason=why)


def _difference(loaded: dict[str, np.ndarray], what: str, first: str, second: str) -> np.ndarray:
    values = loaded[f"{what}_{first}"]
    return values - loaded[f"{what}_{second}"] if second else values


@section(of="unit_paths", title="The same units in every network?", order=74)
def shown(table: Table) -> Iterable[Block]:
    """The table, and how to read it."""
    yield from plain_blocks(table)
    yield Words(
        text="Examples of one label share units whether they are memorized or not. So the last column counts: what an "
        "example's own units share beyond the units of another example with its label. Only if this column is also "
        "lower for a group does each network carry that group by different units.",
        tone="reading",
    )
