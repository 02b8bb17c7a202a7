"""Backdoor by copies: at how many poisons does a backdoor turn from examples known by rote into a pattern?"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from byrote.analyses.catalog import procedure
from byrote.analyses.lab import Lab, data_of
from byrote.analyses.pattern_or_rote import Poisoned, poisoned, shown, table_of
from byrote.blocks import section
from byrote.changes.change import Context, refuse_unfit
from byrote.changes.registry import parse_change
from byrote.data.dataset import Dataset
from byrote.errors import BadInput
from byrote.recipes.algorithm import TrainingRecipe
from byrote.results import Table
from byrote.runs.run import Run


@procedure(
    asks="At how many poisons does a backdoor turn from rote into a pattern?",
    needs=("label_memorization", "stamped.target"),
    section="8.3",
)
def backdoor_copies(
    lab: Lab,
    run: Run,
    *,
    copies: str = "1;2;4;8;16;64",
    plant: str = "backdoor",
    contrast: bool = True,
    models: int = 24,
    seed: int = 0,
) -> Table:
    """The verdict of `pattern_or_rote` by the number of poisons, each in an ensemble of its own.

    Formula:
        as `pattern_or_rote`; the contrast is the memorization of poisons that are held out all together, by a second
        ensemble
    Undefined:
        as `pattern_or_rote`; the contrast of one poison is its memorization.

    Args:
        lab: where to train.
        run: whose data, held-out examples and recipe.
        copies: numbers of poisons, with ";" between them.
        plant: "backdoor", "blended-backdoor" or "clean-label-backdoor", with settings, as "backdoor,size=3".
        contrast: whether ensembles that hold out all poisons together are trained as well.
        models: of each ensemble; fewer than 24 leave a backdoor undecided on which all models agree.
        seed: fixes the poisons, members, weights and orders.

    Source: Gu et al. 2017, arXiv:1708.06733; Wei et al. 2025, section 8.3.

    Raises:
        BadInput: data, recipe or held-out examples are not at hand, copies are no numbers, or `plant` is no backdoor.
    """
    dataset, recipe = data_of(run, "ask")
    if run.heldout is None:
        raise BadInput(
            "The success of a trigger is measured on held-out examples, and the run has none.",
            hint="audit with heldout=… or --heldout 0.2 into another folder.",
        )
    name, _, settings = plant.partition(",")
    folder = run.folder.with_name(f"{run.folder.name}-{plant.replace('=', '-')}-copies-{models}-{seed}")
    rows = []
    for count in numbers(copies):
        text = f"{name}={count / len(dataset)!r}" + (f",{settings}" if settings else "")
        apart = _trained(lab, run, with_backdoor(dataset, text, seed), recipe, models, seed, folder / str(count))
        if contrast and count > 1:
            one_group = with_backdoor(dataset, f"{text},together=yes", seed)
            whole = _trained(lab, run, one_group, recipe, models, seed, folder / f"{count}-together")
            apart = replace(apart, contrast=whole.contrast, without=whole.without)
        rows.append(apart)
    return table_of(rows)


section(of="backdoor_copies", title="Backdoor by number of poisons", order=21)(shown)


def numbers(copies: str) -> list[int]:
    """The numbers of poisons, ascending.

    Raises:
        BadInput: there are none, or one of them is no whole number above 0.
    """
    words = [word.strip() for word in copies.split(";") if word.strip()]
    if not words or not all(word.isdecimal() and int(word) for word in words):
        raise BadInput(
            f"The 'copies' argument must be numbers of poisons. Got {copies!r}.", hint='--set "copies=1;4;16;64"'
        )
    return sorted({int(word) for word in words})


def with_backdoor(dataset: Dataset, text: str, seed: int) -> Dataset:
    """The dataset with the backdoor that a text names, as on the command line.

    Raises:
        BadInput: the text names another change, or the backdoor does not fit.
    """
    change = parse_change(text)
    if not hasattr(change, "together"):
        raise BadInput(
            f"The change {change.name!r} plants no backdoor.",
            hint="plant=backdoor, blended-backdoor or clean-label-backdoor",
        )
    refuse_unfit(change, dataset)
    planted: Dataset = change.apply(dataset, Context(dataset=dataset, rng=np.random.default_rng([seed, 3])))
    return planted


def _trained(
    lab: Lab, run: Run, dataset: Dataset, recipe: TrainingRecipe, models: int, seed: int, out: Path
) -> Poisoned:
    made = lab.audit(dataset, recipe, heldout=run.heldout, models=models, full=0, seed=seed, checkpoints=2, out=out)
    return poisoned(made)
