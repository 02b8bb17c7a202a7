"""A procedure: does the recipe fit labels that say nothing about the inputs?"""

from __future__ import annotations

import numpy as np

from byrote.analyses.catalog import procedure
from byrote.analyses.lab import Lab, data_of
from byrote.data.controls import Controls
from byrote.data.task import refuse_other_tasks
from byrote.results import Table
from byrote.runs.run import Run


@procedure(asks="Does the recipe fit random labels?", needs=("outputs.correct",), section="2.2")
def random_labels(lab: Lab, run: Run, *, models: int = 6, seed: int = 0) -> Table:
    """The accuracy of the recipe's models on what they are trained on, and on the rest, with labels shuffled.

    The labels are permuted over all examples, and `models` models are trained on halves, in a folder beside the run.

    Formula:
        accuracy[arm, who] = mean over models k of mean(correct[k, i] : member[k, i] = who), arm the labels as given
        or shuffled
    Undefined:
        never: each half has members and others.

    Source: Zhang et al. 2017, arXiv:1611.03530, section 2.1 (random labels).
    Differs:
        They draw new labels; a permutation leaves as many examples in each class.

    Raises:
        BadInput: the run has no data and recipe at hand, or its examples do not have one class each.
    """
    dataset, recipe = data_of(run, "ask")
    refuse_other_tasks(dataset.task, dataset.name, "The procedure 'random_labels'")
    targets = np.random.default_rng(seed).permutation(dataset.targets)
    shuffled = dataset.replace(name=f"{dataset.name} with shuffled labels", targets=targets, controls=Controls())
    out = run.folder.with_name(f"{run.folder.name}-random-labels-{models}-{seed}")
    random = lab.audit(shuffled, recipe, models=models, full=0, seed=seed, out=out)
    return Table(
        title="Labels as given, and shuffled",
        rows={"labels": ("as given", "shuffled")},
        figures={
            "accuracy on trained examples": tuple(one.accuracy(member=1) for one in (run, random)),
            "accuracy on the others": tuple(one.accuracy(member=0) for one in (run, random)),
        },
        notes=("Where shuffled labels are fitted, the recipe can learn by rote all that it is shown.",),
    )
