"""What an audit is about to train: arguments are refused or made into a job, for the audit and for its plan alike."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped

from byrote.data.dataset import Dataset
from byrote.data.heldout import refuse_unfit
from byrote.designs.design import Design
from byrote.designs.full_data import full_data
from byrote.designs.half_subset_pairs import LARGE_GROUPS, half_subset_pairs
from byrote.engine.executing import chosen
from byrote.engine.job import Finish, Job, Labelled, check_device
from byrote.engine.resources import logits_fit
from byrote.engine.stopping import COUNTS, Goal, refuse_estimate
from byrote.errors import BadInput
from byrote.evidence.manifest import FILE, Manifest
from byrote.probes import registry
from byrote.probes.contract import TextProbe
from byrote.probes.trajectory import log_spaced
from byrote.recipes.algorithm import TrainingRecipe

#: Size of the ensemble unless another is asked for.
MODELS = 64
#: The smallest ensemble.
FEWEST_MODELS = 4


@dataclass(frozen=True, kw_only=True, eq=False)
class Prepared:
    """A job, and the goal at which it stops by itself; at most `ensemble` models of halves, and `full` on all data."""

    job: Job
    goal: Goal | None
    full: int
    ensemble: int
    workers: int

    @property
    def stopping(self) -> dict[str, Any] | None:
        """What a manifest says of the goal."""
        return None if self.goal is None else {**self.goal.describe(), "full": self.full}


def prepare(
    dataset: Dataset,
    recipe: TrainingRecipe,
    *,
    heldout: Dataset | None,
    models: int | None,
    full: int,
    stderr: float | None,
    budget: float | int | str | None,
    seed: int,
    workers: int | None,
    device: str | None,
    checkpoints: int,
    keep_weights: bool,
    keep_weights_at: str | None,
    probes: Sequence[str],
    design: Design | None = None,
    executor: dict[str, Any] | None = None,
    folder: Path | None = None,
    finish: Finish | None = None,
    estimate: str = COUNTS,
) -> Prepared:
    """The job that these arguments of `audit` ask for; `folder` is that of the run, None where nothing is kept.

    Raises:
        BadInput: they do not fit.
    """
    refuse_uncalled(dataset, recipe, heldout)
    device = device or default_device()
    check_device(device)
    refuse_other_classes(dataset, heldout)
    refuse_unknown(probes)
    refuse_estimate(estimate, dataset.scale.task)
    goal = Goal.of(stderr=stderr, budget=budget, models=models, estimate=estimate)
    if goal is not None and (design is not None or executor is not None):
        raise BadInput(
            "stderr and budget work only with the half-subset-pairs design; give no design or executor with them.",
            hint="leave out stderr and budget, or the design.",
        )
    if goal is not None and not chosen().whole:
        raise BadInput(
            "An audit that stops by itself cannot be trained in parts, because it looks at its models in between.",
            hint="leave out --part, or --stderr and --budget.",
        )
    ensemble = goal.looks[-1] if goal else MODELS if models is None else models
    if design is None:
        first = goal.looks[0] if goal else ensemble
        large_first = folder is None or large_first_in(folder)
        design = halves(len(dataset), first, 0 if goal else full, seed, dataset.groups, large_first=large_first)
    if design.examples != len(dataset):
        raise BadInput(
            f"The design is for {design.examples} examples, the dataset has {len(dataset)}.",
            hint="make the design for a dataset of this length.",
        )
    job = Job(
        recipe=recipe,
        data=Labelled.of(dataset),
        heldout=None if heldout is None else Labelled.of(heldout.replace(scale=dataset.scale)),
        classes=dataset.outputs,
        scale=dataset.scale,
        design=design,
        seeds=seeds_of(seed, design.models),
        checkpoints=log_spaced(recipe.epochs, checkpoints),
        folder=Path() if folder is None else folder / "evidence",
        keep_logits=logits_fit(ensemble + full if goal else design.models, len(dataset), dataset.outputs),
        keep_weights=keep_weights or keep_weights_at is not None,
        keep_weights_at=keep_weights_at,
        probes=tuple(sorted({*probes, *_of_backdoor(dataset, heldout)})),
        device=device,
        finish=finish,
    )
    return Prepared(job=job, goal=goal, full=full, ensemble=ensemble, workers=workers or default_workers(device))


def _of_backdoor(dataset: Dataset, heldout: Dataset | None) -> tuple[str, ...]:
    """The probe that every audit with a backdoor and held-out examples has."""
    return () if dataset.trigger is None or heldout is None else ("stamped",)


def halves(
    examples: int,
    models: int,
    full: int,
    seed: int,
    groups: Shaped[np.ndarray, " example"] | None = None,
    *,
    large_first: bool = True,
) -> Design:
    """Complementary halves and, beside them, models on all data; the halves of few models are the first of many.

    Where the examples have groups the halves are of whole groups; `large_first` as for `half_subset_pairs`.

    Raises:
        BadInput: the models are odd or too few.
    """
    if models < FEWEST_MODELS or models % 2:
        raise BadInput(
            f"The 'models' argument of an audit must be an even number of at least {FEWEST_MODELS}, so that every "
            f"example has 2 models trained with it and 2 without it. Got {models}.",
            hint=f"--models {models + 1}."
            if models > FEWEST_MODELS
            else "64 models give errors of at most .12 an example; --models 64.",
        )
    rng = np.random.default_rng([seed, 1])
    design = half_subset_pairs(examples, models, rng=rng, groups=groups, large_first=large_first)
    return design.joined(full_data(examples, full)) if full else design


def large_first_in(folder: Path) -> bool:
    """Whether a run in that folder is new or had its large groups drawn first, as those of version 0.1.0 had not."""
    return not os.path.exists(folder / FILE) or LARGE_GROUPS in Manifest.read(folder).design.get("parameters", {})


def seeds_of(seed: int, models: int) -> list[int]:
    """What fixes each model, by its number."""
    return [int(np.random.SeedSequence([seed, model]).generate_state(1)[0]) for model in range(models)]


def refuse_other_classes(dataset: Dataset, heldout: Dataset | None) -> None:
    """Refuse held-out examples of other classes than those of the training data.

    Raises:
        BadInput: with both.
    """
    if heldout is not None:
        refuse_unfit(heldout, dataset)


def refuse_unknown(probes: Sequence[str]) -> None:
    """Refuse names that are not those of different probes.

    Raises:
        BadInput: with the names that are.
    """
    known = registry.probes()
    names = [registry.name_of(name) for name in probes]
    later = sorted(({*names} & {*registry.probes(after=True)}) - {*known})
    if later and not isinstance(probes, str):
        raise BadInput(
            f"The probe {later[0]!r} reads a run after its training.",
            hint=f"audit with --keep-weights-at checkpoints, then `byrote probe RUN {later[0]}`.",
        )
    if isinstance(probes, str) or {*names} - {*known} or len({*names}) < len(names):
        fit = [name for name, one in known.items() if not isinstance(one, TextProbe)]
        raise BadInput(
            f"The 'probes' argument of audit must be different names of probes. Got {probes!r}.",
            hint=f'they are {", ".join(fit)}, as in probes=("last_layer",).',
        )


def refuse_uncalled(dataset: object, recipe: object, heldout: object) -> None:
    """Refuse whatever is no dataset and no recipe: the functions that make them, most often.

    Raises:
        BadInput: one of them is something else.
    """
    wanted = (
        ("dataset", dataset, "byrote.Dataset"),
        ("heldout", heldout, "byrote.Dataset"),
        ("recipe", recipe, "recipe"),
    )
    for name, given, kind in wanted:
        fits = hasattr(given, "bind") if name == "recipe" else isinstance(given, Dataset)
        if fits or (name == "heldout" and given is None):
            continue
        raise BadInput(
            f"The {name!r} argument of audit must be a {kind}. Got {given!r}.",
            hint=f"call it: {name}()."
            if callable(given)
            else "byrote.from_arrays(…) makes a dataset, byrote.Recipe(…) is a recipe.",
        )


def default_device() -> str:
    """A GPU where there is one."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def default_workers(device: str) -> int:
    """As many processes as the executor has places: here one a core, and one on a GPU."""
    return chosen().places(device)
