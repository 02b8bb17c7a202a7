"""An analysis and its section: on which classes do models agree that were not trained on an example?"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from jaxtyping import Bool, Float, Int

from byrote.analyses.catalog import analysis
from byrote.blocks import Block, Tile, Tiles, Words, plain_blocks, section
from byrote.data.task import refuse_other_tasks
from byrote.results import Table, decimal
from byrote.runs.run import Run
from byrote.stats.jackknife import jackknife


@analysis(
    asks="On which classes do models agree that were not trained on the example?",
    needs=("outputs.prediction", "design.member"),
    section="2.1",
)
def agreement(run: Run, *, least: int = 5) -> Table:
    """The mean agreement by class, of classes with at least `least` examples, beside the accuracy.

    Formula:
        a_i = sum_c n_c (n_c - 1) / (n (n - 1)), n_c of the n models that were not trained on i answer class c: the
        chance that two of them give the same answer. A class's agreement is the mean over its examples.
    Undefined:
        a_i where fewer than two models were not trained on i, which then does not count; a class where that is so
        of all examples.

    Source: Jiang et al. 2022, arXiv:2106.13799 (disagreement of two trained models).
    Differs:
        Their two models are trained on all data and judged on new examples; these on examples that they lack.

    Raises:
        BadInput: the run's examples do not have one class each.
        TooFewModels: there are fewer than 3 pairs of models.
    """
    refuse_other_tasks(run.task, str(run.folder), "The analysis 'agreement'")
    models = run.models()
    predicted = run.load("outputs.prediction", models)
    lacking = run.load("design.member", models) == 0
    pair = run.load("design.pair", models)
    rows = {name: np.flatnonzero(run.labels == number) for number, name in enumerate(run.class_names)}
    rows = {name: chosen for name, chosen in rows.items() if len(chosen) >= least}
    classes = len(run.class_names)
    return Table(
        title="Agreement by class",
        rows={"class": tuple(rows)},
        figures={
            "agreement": tuple(
                jackknife(
                    lambda kept, of=of: mean_of(agreements(predicted[kept][:, of], lacking[kept][:, of], classes)),
                    pair,
                    examples=len(of),
                    bounds=(0.0, 1.0),
                )
                for of in rows.values()
            ),
            "accuracy": tuple(run.accuracy(member=0, rows=of) for of in rows.values()),
        },
        notes=("The ± of an agreement is about other models on these examples.",),
    )


def agreements(
    predicted: Int[np.ndarray, "model example"], lacking: Bool[np.ndarray, "model example"], classes: int
) -> Float[np.ndarray, " example"]:
    """The chance that two of the models that lack an example answer the same; nan of fewer than two models.

    Example:
        >>> answers = np.array([[0, 1], [0, 2], [1, 1]])
        >>> agreements(answers, np.array([[True, True], [True, False], [True, False]]), 3)
        array([0.33333333,        nan])
    """
    count = np.stack([((predicted == one) & lacking).sum(0) for one in range(classes)])
    models = count.sum(0)
    pairs = np.where(models > 1, models * (models - 1.0), np.nan)
    return (count * (count - 1.0)).sum(0) / pairs


def mean_of(values: Float[np.ndarray, " example"]) -> float:
    """The mean of what is defined; nan of nothing."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else float("nan")


@section(of="agreement", title="Where models agree", order=60)
def shown(table: Table) -> Iterable[Block]:
    """The class on which models agree least, the table, and how to read it."""
    known = [
        (figure.value, name, figure)
        for name, figure in zip(table.rows["class"], table.figures["agreement"], strict=True)
        if figure is not None and not figure.reason
    ]
    if known:
        _, name, figure = min(known, key=lambda one: one[0])
        yield Tiles(tiles=(Tile(value=name, label="Models agree least on this class", note=decimal(figure)),))
    yield from plain_blocks(table)
    yield Words(
        text="Low agreement: the other examples do not settle the answer, and models differ by chance. High agreement "
        "with low accuracy: models agree on another class, so look at the labels.",
        tone="reading",
    )
