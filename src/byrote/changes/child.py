"""A changed run: the same audit after a change of the data, the recipe or the models."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from byrote.changes.change import Change, Context, TrainedModel, refuse_unfit
from byrote.changes.child_language import change_language
from byrote.changes.registry import UNAIMED
from byrote.data.dataset import Dataset
from byrote.designs.design import Design
from byrote.engine.audit import audit
from byrote.engine.progress import Progress
from byrote.errors import BadInput, RunMismatch
from byrote.evidence.made_here import pass_on
from byrote.evidence.manifest import differences
from byrote.recipes.algorithm import Algorithm, State, TrainingRecipe
from byrote.recipes.slots import described
from byrote.results import PerExample
from byrote.runs.folder import dataset_facts
from byrote.runs.run import Run

FORGET_SHARE = 0.05
#: Halves of fewer examples are no training data.
FEWEST_EXAMPLES = 4


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
        RunMismatch: data or recipe are not those that the run was made from.
    """
    folder = Path(out) if out is not None else run.folder.with_name(f"{run.folder.name}+{_label(change, forget)}")
    if run.of_text:
        return change_language(run, change, out=folder, workers=workers, progress=progress)
    refuse_untrained(run)
    if run.dataset is None or run.recipe is None:
        raise BadInput(
            f"The run {str(run.folder)!r} was opened without its data and recipe.",
            hint="run.attach(dataset, recipe, heldout), or use `byrote change` on a run of the command line.",
        )
    refuse_others(run, run.dataset, run.recipe, run.heldout)
    refuse_unfit(change, run.dataset)
    seed = int(run.manifest.identity["seed"])
    rows = _rows_to_forget(run, change, forget)
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
        _refuse_too_few(dataset, change)
    elif change.stage == "recipe":
        recipe = change.apply(recipe, context)
    else:
        finish = finishing(change, context, run.design)
    design: Design | None = run.design
    if len(dataset) != len(run.dataset):
        # halves are drawn anew, for blocks of equal sizes train faster; other designs keep who was trained on what
        halves = run.design.name.startswith("half_subset_pairs")
        design = None if halves else run.design.restricted_to(run.dataset.index_of(dataset.ids))
    child = audit(
        dataset,
        recipe,
        heldout=run.heldout,
        models=len(run.design.models_of("reference")),
        full=len(run.design.models_of("full")),
        design=design,
        out=folder,
        seed=seed,
        workers=workers,
        device=run.manifest.executor["device"],
        checkpoints=len(run.manifest.checkpoints),
        progress=progress,
        source=run.source or run.manifest.source,
        finish=finish,
        probes=tuple(run.manifest.identity.get("probes") or ()),
        executor=run.manifest.executor if change.stage == "model" else None,
        parent={
            "folder": str(run.folder.resolve()),
            "change": {
                "name": change.name,
                "stage": change.stage,
                **described(change),
                **({"forget": forget} if _takes_forget(change) else {}),
            },
            "forget": run.ids[rows].tolist(),
        },
    )
    pass_on(run.manifest.identifier, child.manifest.identifier)
    return child


def refuse_untrained(run: Run) -> None:
    """Refuse a run whose models byrote did not train: it has neither their data nor their recipe.

    Raises:
        BadInput: it is one.
    """
    if run.manifest.origin != "trained":
        raise BadInput(
            f"The run {str(run.folder)!r} was not trained by byrote, so that it cannot be trained again with a change.",
            hint="train again with the change, record that as well, and compare with `byrote card BEFORE AFTER`.",
        )


def refuse_others(run: Run, dataset: Dataset, recipe: TrainingRecipe, heldout: Dataset | None) -> None:
    """Refuse a dataset, held-out data or a recipe that a run was not made from.

    Raises:
        RunMismatch: they differ, and in what.
    """
    found = {
        "dataset": _nameless(run.manifest.dataset),
        "heldout": _nameless(run.manifest.heldout),
        "recipe": run.manifest.identity.get("recipe"),
    }
    asked = {
        "dataset": _nameless(dataset_facts(dataset)),
        "heldout": None if heldout is None else _nameless(dataset_facts(heldout)),
        "recipe": recipe.describe(),
    }
    changed = differences(found, json.loads(json.dumps(asked)))
    if changed:
        raise RunMismatch(
            f"The run {str(run.folder)!r} was made from something else: {'; '.join(changed)}.",
            hint="take the edit back, or audit again with --out and go on with that run. Where nothing was edited, "
            "another version of byrote read the source otherwise: `byrote report --redact` shows the run without its "
            "examples."
            + (" A changed run goes on from Python, with byrote.change(run, …)." if run.manifest.parent else ""),
        )


def _nameless(facts: dict[str, Any] | None) -> dict[str, Any] | None:
    return None if facts is None else {key: value for key, value in facts.items() if key not in ("name", "groups")}


def _is_about_memorized(change: Change) -> bool:
    """Whether a change looks at the examples to forget: those of recipes, plantings and deduplication do not."""
    return change.stage != "recipe" and not isinstance(change, UNAIMED)


def _takes_forget(change: Change) -> bool:
    """Whether the share to forget is that of the caller, and not the change's own."""
    return _is_about_memorized(change) and not hasattr(change, "share")


def _rows_to_forget(run: Run, change: Change, forget: float) -> np.ndarray:
    _refuse_share("The share of examples to forget", forget)
    if not _is_about_memorized(change):
        return np.empty(0, np.int64)
    share = getattr(change, "share", forget)
    _refuse_share(f"The amount of {change.name!r}, a share of the examples,", share)
    return most_memorized(run, share)


def _refuse_share(what: str, share: float) -> None:
    if not 0 < share < 1:
        raise BadInput(f"{what} must lie in (0, 1). Got {share}.", hint="0.05 is the 5 % that are most memorized.")


def _refuse_too_few(dataset: Dataset, change: Change) -> None:
    present = len(np.unique(dataset.kinds))
    if len(dataset) < FEWEST_EXAMPLES or present < 2:
        raise BadInput(
            f"The change {change.name!r} leaves {len(dataset)} examples of {present} classes, too few to audit.",
            hint="change less of the data.",
        )


def _label(change: Change, forget: float) -> str:
    """A change as a folder's name tells it: by name and amount, and the share to forget where it is not the usual."""
    amount = getattr(change, dataclasses.fields(change)[0].name)  # type: ignore[arg-type]
    name = f"{change.name}={amount:g}" if isinstance(amount, int | float) else change.name
    return f"{name},forget={forget:g}" if _takes_forget(change) and forget != FORGET_SHARE else name


def most_memorized(run: Run, share: float) -> np.ndarray:
    """Rows of the share of the examples with the highest label memorization."""
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
