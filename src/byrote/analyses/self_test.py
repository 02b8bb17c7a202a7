"""The self-test: how many labels that were made wrong on purpose do models like those of a run find?"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Shaped

from byrote.analyses.catalog import procedure
from byrote.analyses.lab import Lab, data_of
from byrote.analyses.label_errors import FLAGGED, SELF_TEST, WRONG, share_flagged
from byrote.changes.change import Context
from byrote.changes.data.symmetric_label_noise import SymmetricLabelNoise
from byrote.data.controls import LABEL_NOISE
from byrote.data.dataset import Dataset
from byrote.data.task import refuse_other_tasks
from byrote.results import PerExample, Table
from byrote.runs.run import Run

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
    Once the run keeps the table, `issues` gives probabilities. If labels were planted wrong in the run's own data,
    these are counted, and nothing is trained: so a recording is tested, too.

    Formula:
        flagged = share of the replaced labels whose `label_error_probability` is above 0.5
    Undefined:
        never: at least one label is replaced. The interval is Wilson's, over labels.

    Args:
        lab: where to train.
        run: whose data and recipe.
        models: trained, an even number of at least 4. If the run has more models than these, its own find more.
            Not used if the run's own data hold planted wrong labels.
        seed: fixes labels, halves, weights and orders.

    Raises:
        BadInput: data or recipe are not at hand, or examples do not have one class each.
    """
    refuse_other_tasks(run.task, run.folder.name, f"The procedure {SELF_TEST!r}")
    within = run.controls.mask(run.ids, LABEL_NOISE)
    if within.any():
        return _of_own(run, within)
    dataset, recipe = data_of(run, "ask")
    spoiled, wrong = planted(dataset, seed)
    with tempfile.TemporaryDirectory(prefix="byrote-self-test-") as folder:
        beside = lab.audit(
            spoiled, recipe, models=models, full=0, out=Path(folder) / SELF_TEST, seed=seed, checkpoints=2
        )
        found = beside.measure("label_error_probability")
    assert isinstance(found, PerExample)
    names = np.array(dataset.class_names)
    was, made = names[dataset.targets[wrong]], names[spoiled.targets[wrong]]
    return _table(spoiled.ids[wrong], was, made, found.values[wrong], models, "made wrong, drawn at random,")


def planted(dataset: Dataset, seed: int) -> tuple[Dataset, Bool[np.ndarray, " example"]]:
    """The data with wrong labels, and which these are."""
    count = max(1, round(max(SHARE * len(dataset), min(FEWEST, MOST * len(dataset)))))
    context = Context(dataset=dataset, rng=np.random.default_rng([seed, 10]))
    spoiled = SymmetricLabelNoise(count / len(dataset)).apply(dataset, context)
    known = dataset.controls.mask(dataset.ids, LABEL_NOISE)
    return spoiled, spoiled.controls.mask(spoiled.ids, LABEL_NOISE) & ~known


def _of_own(run: Run, wrong: Bool[np.ndarray, " example"]) -> Table:
    """The table of the labels that were planted wrong in the run's own data, as its own models judge them."""
    score = run.measure("label_error_probability")
    assert isinstance(score, PerExample)
    names = np.array([*run.class_names, ""])
    true = run.controls.true_labels(run.ids, run.labels, run.class_names)[wrong]
    return _table(
        run.ids[wrong], names[true], names[run.labels[wrong]], score.values[wrong], len(run.models()), "planted wrong"
    )


def _table(
    example: Shaped[np.ndarray, " wrong"],
    was: Shaped[np.ndarray, " wrong"],
    made: Shaped[np.ndarray, " wrong"],
    score: Float[np.ndarray, " wrong"],
    models: int,
    how: str,
) -> Table:
    share = share_flagged(score, models)
    hits = int((score > WRONG).sum())
    return Table(
        title="Labels made wrong on purpose",
        rows={"labels": ("made wrong",)},
        figures={FLAGGED: (share,)},
        arrays={"example": example, "was": was, "made": made, "score": score.astype(np.float64)},
        notes=(
            f"{hits} of {share.examples} labels that were {how} are flagged by {models} models.",
            "Real errors often look like the class that they name, so that fewer of them are found.",
        ),
    )
