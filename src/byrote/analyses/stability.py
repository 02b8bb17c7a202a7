"""Stability: which groups a network loses when its weights are disturbed, pruned or rounded."""

from __future__ import annotations

import numpy as np

from byrote.analyses.catalog import analysis
from byrote.analyses.where_groups import Group, group_figure, groups_of
from byrote.errors import MissingEvidence
from byrote.results import Table
from byrote.runs.run import Run

#: Columns of the evidence by the words of the table.
LOST = {
    "pruned 80 %": "pruned_80",
    "pruned 90 %": "pruned_90",
    "4 bits": "bits_4",
    "3 bits": "bits_3",
    "2 bits": "bits_2",
}


@analysis(
    asks="Which groups does the network lose when its weights change?",
    needs=("stability",),
    section="4.5",
)
def stability(run: Run) -> Table:
    """The share of each group's final correct predictions that is lost, and its median flip radius.

    Formula:
        lost = share of the group's final correct predictions that are wrong with the smallest 80 or 90 % of the
        weights set to 0, or with weights of 4, 3 or 2 bits; radius = median over the group, see `flip_radius`; at the
        margin of the first group: the same of each group's examples within the quartiles of that group's margins
    Undefined:
        a group with fewer than 20 final correct predictions in every model. The error of a single model.

    Source: Maini et al. 2023, arXiv:2307.09542, ask the same of units; noise, pruning and rounding after the field.
    Differs:
        Examples near the boundary fall to any change, so groups are also compared at like margins.

    Raises:
        MissingEvidence: the run's weights were not disturbed.
    """
    models = run.models_with("stability")
    if not models:
        raise MissingEvidence(
            f"The weights of the run {str(run.folder)!r} were not disturbed.",
            hint="audit into another folder with --keep-weights-at last, then byrote probe RUN stability.",
        )
    chosen = np.array(models, np.int64)
    groups, pair = groups_of(run, chosen), run.load("design.pair", models)
    radius, margin = run.load("stability.radius", models), run.load("stability.confidence", models)
    right = np.isfinite(radius)
    figures = {
        "median radius": [group_figure(radius, group.rows & right, pair, 0.0, np.inf, np.median) for group in groups],
        **{
            words: [group_figure(run.load(f"stability.{name}", models), group.rows & right, pair) for group in groups]
            for words, name in LOST.items()
        },
        "pruned 90 %, at like margin": [
            group_figure(run.load("stability.pruned_90", models), _alike(group, groups[0], margin, right), pair)
            for group in groups
        ],
    }
    return Table(
        title="Lost when the weights change",
        rows={"group": tuple(group.name for group in groups)},
        figures={name: tuple(column) for name, column in figures.items()},
        notes=(
            "± is over pairs of models, or over models without pairs. Any change flips examples near the decision "
            "boundary: compare groups at like margin.",
            f"At like margin: examples within the quartiles of the margins of {groups[0].name!r}.",
        ),
    )


def _alike(group: Group, first: Group, margin: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Those of a group whose margins are within the quartiles of the first group's, model by model."""
    made = group.rows & right
    for row, mine in enumerate(first.rows & right):
        if not mine.any():
            made[row] = False
            continue
        low, high = np.quantile(margin[row, mine], (0.25, 0.75))
        made[row] &= (margin[row] >= low) & (margin[row] <= high)
    return np.asarray(made)
