"""The self-test: how many labels that were made wrong on purpose do models like those of a run find?"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Bool
from scipy.stats import binomtest

from byrote.analyses.catalog import procedure
from byrote.analyses.lab import Lab, data_of
from byrote.analyses.label_errors import FLAGGED, SELF_TEST, WRONG
from byrote.changes.change import Context
from byrote.changes.data.symmetric_label_noise import SymmetricLabelNoise
from byrote.data.controls import LABEL_NOISE
from byrote.data.dataset import Dataset
from byrote.data.task import refuse_other_tasks
from byrote.results import PerExample, Scalar, Table
from byrote.runs.run import Run
from byrote.stats.intervals import adjusted_rate

#: So many models are trained beside the ensemble: two without each example.
MODELS: Final = 4
#: This share of the labels is made wrong, but at least this many labels, and at most this share.
SHARE, FEWEST, MOST = 0.05, 20, 0.1


@procedure(
    name=SELF_TEST,
    asks="Do models like these find wrong labels, made so on purpose beside the run?",
    needs=("outputs.logits",),
    section="6.1",
)
def self_test(lab: Lab, run: Run, *, models: int = MODELS, seed: int = 0) -> Table:
    """How many labels that were made wrong on purpose are flagged by a few models that train beside the run's.

    The models are trained on halves of the run's data in which some labels were replaced, each by another drawn at
    random, in a folder that is thrown away: no model of the run sees these labels, and its evidence stays as it is.
    Once the run keeps the table, `issues` gives probabilities.

    Formula:
        flagged = share of the replaced labels whose `label_error_probability` is above 0.5
    Undefined:
        never: at least one label is replaced. The interval is Wilson's, over labels.

    Args:
        lab: where to train.
        run: whose data and recipe.
        models: trained, an even number of at least 4. If the run has more models than these, its own find more.
        seed: fixes labels, halves, weights and orders.

    Raises:
        BadInput: data or recipe are not at hand, or examples do not have one class each.
    """
    dataset, recipe = data_of(run, "ask")
    refuse_other_tasks(dataset.task, dataset.name, f"The procedure {SELF_TEST!r}")
    spoiled, wrong = planted(dataset, seed)
    with tempfile.TemporaryDirectory(prefix="byrote-self-test-") as folder:
        beside = lab.audit(
            spoiled, recipe, models=models, full=0, out=Path(folder) / SELF_TEST, seed=seed, checkpoints=2
        )
        found = beside.measure("label_error_probability")
    assert isinstance(found, PerExample)
    return _table(dataset, spoiled, found.values, wrong, models)


def planted(dataset: Dataset, seed: int) -> tuple[Dataset, Bool[np.ndarray, " example"]]:
    """The data with wrong labels, and which these are."""
    count = max(1, round(max(SHARE * len(dataset), min(FEWEST, MOST * len(dataset)))))
    context = Context(dataset=dataset, rng=np.random.default_rng([seed, 10]))
    spoiled = SymmetricLabelNoise(count / len(dataset)).apply(dataset, context)
    known = dataset.controls.mask(dataset.ids, LABEL_NOISE)
    return spoiled, spoiled.controls.mask(spoiled.ids, LABEL_NOISE) & ~known


def _table(dataset: Dataset, spoiled: Dataset, score: np.ndarray, wrong: np.ndarray, models: int) -> Table:
    names = np.array(dataset.class_names)
    trials, hits = int(wrong.sum()), int((score[wrong] > WRONG).sum())
    interval = binomtest(hits, trials).proportion_ci(method="wilson")
    rate = float(adjusted_rate(np.array([hits]), np.array([trials]))[0])
    share = Scalar(
        value=hits / trials,
        stderr=float(np.sqrt(rate * (1 - rate) / trials)),
        low=float(interval.low),
        high=float(interval.high),
        models=models,
        examples=trials,
        varies_over="examples",
    )
    return Table(
        title="Labels made wrong on purpose",
        rows={"labels": ("made wrong",)},
        figures={FLAGGED: (share,)},
        arrays={
            "example": spoiled.ids[wrong],
            "was": names[dataset.targets[wrong]],
            "made": names[spoiled.targets[wrong]],
            "score": score[wrong].astype(np.float64),
        },
        notes=(
            f"{hits} of {trials} labels that were made wrong, drawn at random, are flagged by {models} models.",
            "Real errors often look like the class that they name, so that fewer of them are found.",
        ),
    )
