"""Example-tied dropout: are examples memorized in units of their own, and is that lost without these units?"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from byrote.analyses.catalog import analysis
from byrote.analyses.where_groups import group_figure, groups_of
from byrote.blocks import Block, Words, plain_blocks, section
from byrote.errors import MissingEvidence
from byrote.probes.tied_dropout import MODES
from byrote.results import Scalar, Table
from byrote.runs.run import Run

HELD_OUT = "held-out examples"
_COLUMNS = {"own": "own units", "another": "another's units", "test": "evaluation mode", "dropped": "dropped"}
OWN, TRUE = "own less another's", "true label when dropped"


@analysis(
    asks="Is memorization lost without the units that each example has to itself?",
    needs=("tied_dropout",),
    section="4.5",
)
def tied_dropout(run: Run) -> Table:
    """The accuracy on each group with an example's own memory units, with another's, in evaluation mode and dropped.

    Formula:
        share of the group's examples whose given label is predicted; "own less another's" is what the example's own
        units store of it; "true label when dropped": share of mislabelled examples then predicted as their true label
    Undefined:
        a group with fewer than 20 examples in every model; errors of a single model; "true label" of groups that are
        not mislabelled.

    Source: Maini et al. 2023, arXiv:2307.09542, section 5.
    Differs:
        Evaluation mode already forgets, because there no example has units of its own. So an example's own units are
        compared with another example's units. Evaluation mode is not compared with dropped units.

    Raises:
        MissingEvidence: the run was not probed.
    """
    models = run.models_with("tied_dropout")
    if not models:
        raise MissingEvidence(
            f"The run {str(run.folder)!r} was not read with and without memory units.",
            hint="audit into another folder with --probe tied_dropout, of a network with byrote.ExampleTiedDropout.",
        )
    predicted = {name: run.load(f"tied_dropout.{name}", models) for name in MODES}
    pair, groups = run.load("design.pair", models), groups_of(run, np.array(models, np.int64))
    right = {name: (each == run.labels).astype(np.float64) for name, each in predicted.items()}
    held = {name: run.load(f"tied_dropout.heldout_{name}", models).astype(np.float64) for name in ("test", "dropped")}
    known = bool(np.isfinite(held["test"]).all())
    figures: dict[str, list[Scalar | None]] = {
        words: [group_figure(right[name], group.rows, pair) for group in groups] for name, words in _COLUMNS.items()
    }
    figures[OWN] = [group_figure(right["own"] - right["another"], group.rows, pair, -1.0) for group in groups]
    back = (predicted["dropped"] == run.load("data.true_label", models)).astype(np.float64)
    figures[TRUE] = [group_figure(back, group.rows, pair) if group.mislabelled else None for group in groups]
    if known:
        everyone = np.ones((len(models), max(1, len(run.ids))), bool)
        aside = {_COLUMNS[name]: group_figure(each[:, None] * everyone, everyone, pair) for name, each in held.items()}
        for words, column in figures.items():
            column.append(aside.get(words))
    return Table(
        title="With and without memory units",
        rows={"group": (*(group.name for group in groups), *((HELD_OUT,) if known else ()))},
        figures={name: tuple(column) for name, column in figures.items()},
        notes=("± is over pairs of models, or over models without pairs.",),
    )


@section(of="tied_dropout", title="Memory units that can be dropped", order=75)
def shown(table: Table) -> Iterable[Block]:
    """The table, and how to read it."""
    yield from plain_blocks(table)
    yield Words(
        text="What an example's own units store of it is its accuracy with them minus its accuracy with another "
        "example's units. Evaluation mode does not measure this, because it gives no example its own units. To claim "
        "that dropping costs no accuracy, compare with a network without this dropout that fits equally well.",
        tone="reading",
    )
