"""Look-up tables: how far pure memorization generalizes on a run's data, and whether it fits random labels, too."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from jaxtyping import Bool, Float

from byrote.analyses.catalog import analysis
from byrote.analyses.continued import over_seeds
from byrote.blocks import Block, Words, plain_blocks, section
from byrote.data.task import refuse_other_tasks
from byrote.errors import BadInput
from byrote.results import Table
from byrote.runs.run import Run
from byrote.stats.intervals import Bounds
from byrote.stats.lookup_tables import MOST, fit, one_table, predict

SHARE: Bounds = (0.0, 1.0)


@analysis(
    asks="How far does pure memorization by look-up tables generalize on these data?",
    section="2.2",
)
def lookup_tables(
    run: Run, *, inputs: str = "2;4;8", layers: int = 3, tables: int = 128, seeds: int = 3, seed: int = 0
) -> Table:
    """Networks of look-up tables that separate the first half of the classes from the second, by true or random labels.

    Nothing is trained by gradients: an entry of a table is the majority label of the training examples in its row.
    Inputs are binary: above their median over training examples, or not. A single table of all inputs is a comparison.

    Formula:
        accuracy on training and held-out examples; with random labels, drawn evenly, the training accuracy shows how
        much is memorized
    Undefined:
        never; the error is over seeds and needs at least 3.

    Args:
        run: with its data and held-out examples at hand.
        inputs: how many places a table reads, with ";" between several; at most 20.
        layers: of tables before the last one.
        tables: in each of these layers.
        seeds: networks of each kind.
        seed: fixes them.

    Source: Chatterjee 2018, ICML, "Learning and memorization".

    Raises:
        BadInput: the data or held-out examples are not at hand, are not about classes, or a setting cannot be.
    """
    if run.dataset is None or run.heldout is None:
        raise BadInput(
            f"Look-up tables are filled with a run's data and tried on held-out examples, and those of "
            f"{str(run.folder)!r} are not at hand.",
            hint="run.attach(dataset, recipe, heldout), or byrote ask RUN lookup_tables of a run with held-out data.",
        )
    refuse_other_tasks(run.task, str(run.folder), "The analysis 'lookup_tables'")
    sizes = [int(part) if part.strip().isdigit() else 0 for part in inputs.split(";")]
    if not sizes or not all(1 <= size <= MOST for size in sizes) or min(layers, tables, seeds) < 1:
        raise BadInput(
            f"Look-up tables read 1 to {MOST} places each, in at least one layer, table and seed. Got inputs={inputs}, "
            f"layers={layers}, tables={tables}, seeds={seeds}.",
            hint='--set "inputs=2;4;8" --set layers=3 --set tables=128 --set seeds=3',
        )
    shown, asked = _bits(run.dataset.inputs, run.dataset.inputs), _bits(run.heldout.inputs, run.dataset.inputs)
    half = len(run.class_names) // 2
    true, held = run.dataset.targets >= half, run.heldout.targets >= half
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for number in range(seeds):
        rng = np.random.default_rng([seed, number, 21])
        for labels, label, wanted in (
            ("true", true, held),
            ("random", rng.random(len(true)) < 0.5, rng.random(len(held)) < 0.5),
        ):
            for size in sizes:
                made = fit(shown, label, rng, layers=layers, tables=tables, inputs=min(size, shown.shape[1]))
                fits = (_share(predict(made, shown) == label), _share(predict(made, asked) == wanted))
                found.setdefault((f"{size} inputs", labels), []).append(fits)
            predicted, hit = one_table(shown, label, asked, rng)
            of_all = (_share(one_table(shown, label, shown, rng)[0] == label), _share(predicted == wanted))
            found.setdefault((f"one of all, hit by {_share(hit):.1%} of held-out", labels), []).append(of_all)
    columns = {name: [np.array(each)[:, place] for each in found.values()] for place, name in enumerate(_COLUMNS)}
    return Table(
        title="Look-up tables",
        rows={"tables": tuple(name for name, _ in found), "labels": tuple(labels for _, labels in found)},
        figures={
            name: tuple(over_seeds(each, SHARE, examples=count) for each in column)
            for (name, column), count in zip(columns.items(), (len(true), len(held)), strict=True)
        },
        notes=("The tables separate the first half of the classes from the second. Chance level: 0.5.",),
    )


_COLUMNS = ("accuracy in training", "held-out accuracy")


def _bits(
    inputs: Float[np.ndarray, "example *shape"], of: Float[np.ndarray, "other *shape"]
) -> Bool[np.ndarray, "example place"]:
    return np.asarray(inputs.reshape(len(inputs), -1) > np.median(of.reshape(len(of), -1), axis=0))


def _share(right: Bool[np.ndarray, " example"]) -> float:
    return float(right.mean())


@section(of="lookup_tables", title="How far look-up tables go", order=79)
def shown(table: Table) -> Iterable[Block]:
    """The table, and how to read it."""
    yield from plain_blocks(table)
    yield Words(
        text="If the tables fit random labels and also generalize with true ones, then the ability to memorize does "
        "not mean that a model has not learned.",
        tone="reading",
    )
