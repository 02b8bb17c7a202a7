"""A changed run: the same audit after a change of the data, the recipe or the models."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from byrote.auditing import Progress, audit
from byrote.changes.change import Change, Context, TrainedModel
from byrote.designs.design import Design
from byrote.errors import BadInput
from byrote.recipes.algorithm import Algorithm, State
from byrote.recipes.slots import described
from byrote.results import PerExample
from byrote.run import Run

FORGET_SHARE = 0.05


def change(
    run: Run,
    change: Change,
    *,
    forget: float = FORGET_SHARE,
    out: str | Path | None = None,
    workers: int | None = None,
    progress: Progress | bool = True,
) -> Run:
    """Train the run's ensemble again with one thing changed, and record the same evidence.

    What the change is about (what it removes, relabels or unlearns) is the share `forget` of the examples with the
    highest label memorization in `run`; a change that states a share of its own goes by that. Members, seeds and
    orders stay those of `run` unless examples were removed, so that the two can be compared pair by pair.

    Raises:
        BadInput: the run has no data or recipe at hand, or the change does not fit.
    """
    if run.dataset is None or run.recipe is None:
        raise BadInput(
            f"The run {str(run.folder)!r} was opened without its data and recipe.",
            hint="run.attach(dataset, recipe, heldout), or use `byrote change` on a run of the command line.",
        )
    seed = int(run.manifest.identity["seed"])
    rows = most_memorized(run, getattr(change, "share", forget))
    context = Context(
        dataset=run.dataset,
        rng=np.random.default_rng([seed, 2]),
        forget=rows,
        retain=np.setdiff1d(np.arange(len(run.dataset)), rows),
        parent=run,
    )
    dataset, recipe, finish = run.dataset, run.recipe, None
    if change.stage == "dataset":
        dataset = change.apply(dataset, context)
    elif change.stage == "recipe":
        recipe = change.apply(recipe, context)
    else:
        finish = finishing(change, context, run.design)
    design: Design | None = run.design
    if len(dataset) != len(run.dataset):
        # halves are drawn anew, for blocks of equal sizes train faster; other designs keep who was trained on what
        halves = run.design.name.startswith("half_subset_pairs")
        design = None if halves else run.design.restricted_to(run.dataset.index_of(dataset.ids))
    return audit(
        dataset,
        recipe,
        heldout=run.heldout,
        models=len(run.design.models_of("reference")),
        full=len(run.design.models_of("full")),
        design=design,
        out=Path(out) if out is not None else run.folder.with_name(f"{run.folder.name}+{change.name}"),
        seed=seed,
        workers=workers,
        device=run.manifest.executor["device"],
        checkpoints=len(run.manifest.checkpoints),
        progress=progress,
        source=run.manifest.source,
        finish=finish,
        executor=run.manifest.executor if change.stage == "model" else None,
        parent={
            "folder": str(run.folder.resolve()),
            "change": {"name": change.name, "stage": change.stage, **described(change)},
            "forget": run.ids[rows].tolist(),
        },
    )


def most_memorized(run: Run, share: float) -> np.ndarray:
    """Rows of the share of the examples with the highest label memorization.

    Raises:
        BadInput: the share is not in (0, 1).
    """
    if not 0 < share < 1:
        raise BadInput(f"The share of examples to forget must lie in (0, 1). Got {share}.")
    result = run.measure("label_memorization")
    assert isinstance(result, PerExample)
    ranked = np.argsort(-np.nan_to_num(result.values, nan=-np.inf), kind="stable")
    return np.sort(ranked[: max(1, round(share * len(ranked)))])


def finishing(change: Change, context: Context, design: Design) -> Callable[[Algorithm, State, int], State]:
    """What is done to each trained model: the change, with what this model was trained on to forget and retain."""
    told = dataclasses.replace(context, parent=None)
    entropy: Any = context.rng.bit_generator.seed_seq.entropy  # type: ignore[attr-defined]

    def finish(algorithm: Algorithm, state: State, model: int) -> State:
        member = np.flatnonzero(design.member[model] == 1)
        mine = dataclasses.replace(
            told,
            rng=np.random.default_rng([*np.atleast_1d(entropy).tolist(), model]),
            forget=np.intersect1d(told.forget, member),
            retain=np.intersect1d(told.retain, member),
        )
        changed: TrainedModel = change.apply(TrainedModel(algorithm=algorithm, state=state), mine)
        return changed.state

    return finish
