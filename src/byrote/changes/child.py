"""A changed run: the same audit after a change of the data, the recipe or the models."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped

from byrote.changes.change import Change, Context, refuse_unfit
from byrote.changes.child_decoder import change_decoder
from byrote.changes.child_language import change_language
from byrote.changes.common import finishing, in_order, is_about_memorized, label, parent_of
from byrote.changes.forget import FORGET_SHARE as FORGET_SHARE
from byrote.changes.forget import Forget, named, refuse_share, share_of
from byrote.data.dataset import Dataset
from byrote.designs.design import Design
from byrote.engine.audit import audit
from byrote.engine.progress import Progress
from byrote.errors import BadInput, RunMismatch
from byrote.evidence.made_here import pass_on
from byrote.evidence.manifest import differences
from byrote.recipes.algorithm import TrainingRecipe
from byrote.results import PerExample
from byrote.runs.folder import dataset_facts
from byrote.runs.run import Run

#: Halves of fewer examples are no training data.
FEWEST_EXAMPLES = 4


def change(
    run: Run,
    change: Change | Sequence[Change],
    *,
    forget: Forget = FORGET_SHARE,
    seed: int | None = None,
    keep_members: bool = False,
    model: Any = None,
    out: str | Path | None = None,
    workers: int | None = None,
    progress: Progress | bool = True,
) -> Run:
    """Train the run's ensemble again with one thing changed, or several, and record the same evidence.

    Members, seeds and orders stay those of `run` unless examples were removed, so that the two can be compared pair by
    pair. Several changes are made in their order, those of data first, then of the recipe, then of the models.

    Args:
        run: the run, with its data and recipe at hand.
        change: what to change.
        forget: what the change is about (what it removes, relabels or unlearns): ids, a file of ids (one per line, or a
            table with a column `example`), or the share of the examples with the highest label memorization in `run`.
            A change that states a share of its own goes by that.
        seed: of the new models; that of `run` unless given.
        keep_members: where examples were removed, let every model be trained on those of its members that are left.
            Otherwise halves of what is left are drawn anew, of equal sizes, which trains faster.
        model: of a change of the decoder, the network or its folder, where the run does not know it.
        out: the new run's folder; `<run>+<change>` unless given.
        workers: training processes, as in `byrote.audit`.
        progress: False for silence.

    Raises:
        BadInput: the run has no data or recipe at hand, or the change does not fit.
        RunMismatch: data or recipe are not those that the run was made from.

    Example:
        >>> from sklearn.datasets import make_classification
        >>> data = byrote.from_arrays(*make_classification(60, random_state=0), name="small")
        >>> recipe = byrote.Recipe(network=byrote.MLP(hidden=(16,)), epochs=2)
        >>> run = byrote.audit(data, recipe, models=24, keep_weights=True, workers=1, progress=False)
        >>> noisy = byrote.change(run, byrote.parse_change("label-noise=0.2"), workers=1, progress=False)
        >>> noisy
        Run('runs/small+label-noise=0.2': trained, 26 models, 60 examples of 'small')
    """
    changes = in_order(change)
    suffix = label(changes, forget) + ("" if seed is None else f",seed={seed}")
    folder = Path(out) if out is not None else run.folder.with_name(f"{run.folder.name}+{suffix}")
    _refuse_guarded(run)
    if any(one.stage == "decoder" for one in changes):
        return change_decoder(run, changes, forget=forget, model=model, out=folder, progress=progress)
    if run.of_text:
        return change_language(run, changes, forget=forget, seed=seed, out=folder, workers=workers, progress=progress)
    refuse_untrained(run)
    if run.dataset is None or run.recipe is None:
        raise BadInput(
            f"The run {str(run.folder)!r} was opened without its data and recipe.",
            hint="run.attach(dataset, recipe, heldout), or use `byrote change` on a run of the command line.",
        )
    refuse_others(run, run.dataset, run.recipe, run.heldout)
    for one in changes:
        refuse_unfit(one, run.dataset)
    given = int(run.manifest.identity["seed"])
    ids = {one: _ids_to_forget(run, one, forget) for one in changes}
    dataset, recipe, finish = run.dataset, run.recipe, None
    for number, one in enumerate(changes):
        context = context_of(
            dataset, ids[one], run, [given if seed is None else seed, 2, *([number] if number else [])]
        )
        if one.stage == "dataset":
            dataset = one.apply(dataset, context)
            _refuse_too_few(dataset, one)
        elif one.stage == "recipe":
            recipe = one.apply(recipe, context)
    design = _design(run, dataset, keep_members=keep_members)
    models = [one for one in changes if one.stage == "model"]
    if models:
        seeds = [given if seed is None else seed, 2]
        finish = finishing([(one, context_of(dataset, ids[one], run, seeds)) for one in models], design or run.design)
    child = audit(
        dataset,
        recipe,
        heldout=run.heldout,
        models=len(run.design.models_of("reference")),
        full=len(run.design.models_of("full")),
        design=design,
        out=folder,
        seed=given if seed is None else seed,
        workers=workers,
        device=run.manifest.executor["device"],
        checkpoints=len(run.manifest.checkpoints),
        progress=progress,
        source=run.source or run.manifest.source,
        finish=finish,
        probes=tuple(run.manifest.identity.get("probes") or ()),
        keep_weights_at=run.manifest.identity.get("keep_weights_at"),
        executor=run.manifest.executor if {one.stage for one in changes} == {"model"} and seed is None else None,
        parent=parent_of(run, changes, forget, np.unique(np.concatenate([ids[one] for one in changes]))),
    )
    pass_on(run.manifest.identifier, child.manifest.identifier)
    return child


def _refuse_guarded(run: Run) -> None:
    """Refuse to change a run behind a decoder: the models of the next run would stand before it, or behind another."""
    if run.guarded:
        before = str((run.manifest.parent or {}).get("folder", ""))
        raise BadInput(
            f"The run {str(run.folder)!r} is one behind a changed decoder, which the next run would not have.",
            hint=f"change the run before it, {before!r}; --with may be repeated for several decoders.",
        )


def context_of(dataset: Dataset, ids: Shaped[np.ndarray, " forgotten"], run: Run, seed: list[int]) -> Context:
    """What a change may look at: the rows of those to forget that the dataset has, and of the rest."""
    rows = np.flatnonzero(np.isin(dataset.ids, ids)).astype(np.int64)
    return Context(
        dataset=dataset,
        rng=np.random.default_rng(seed),
        forget=rows,
        retain=np.setdiff1d(np.arange(len(dataset)), rows),
        parent=run,
    )


def _design(run: Run, dataset: Dataset, *, keep_members: bool) -> Design | None:
    """Who trains on what of what is left; None where halves are to be drawn anew."""
    assert run.dataset is not None
    if len(dataset) == len(run.dataset):
        return run.design
    halves = run.design.name.startswith("half_subset_pairs")
    if halves and not keep_members:
        return None
    if not np.isin(dataset.ids, run.dataset.ids).all():
        raise BadInput(
            "Members cannot be kept where the change adds examples, of which no model was told to train on any.",
            hint="leave out keep_members.",
        )
    return run.design.restricted_to(run.dataset.index_of(dataset.ids))


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
            + (
                f" After a change, change the run before it, {str(run.manifest.parent.get('folder', ''))!r}, "
                "with both: --with may be repeated."
                if run.manifest.parent
                else ""
            ),
        )


def _nameless(facts: dict[str, Any] | None) -> dict[str, Any] | None:
    return None if facts is None else {key: value for key, value in facts.items() if key not in ("name", "groups")}


def _ids_to_forget(run: Run, change: Change, forget: Forget) -> np.ndarray:
    share = share_of(forget)
    if not is_about_memorized(change):
        return np.empty(0, np.str_)
    if share is None:
        return np.asarray(run.ids[named(forget, run.ids, f"the run {str(run.folder)!r}").rows])
    share = getattr(change, "share", share)
    refuse_share(f"The amount of {change.name!r}, a share of the examples,", share)
    return np.asarray(run.ids[most_memorized(run, share)])


def _refuse_too_few(dataset: Dataset, change: Change) -> None:
    present = len(np.unique(dataset.kinds))
    if len(dataset) < FEWEST_EXAMPLES or present < 2:
        raise BadInput(
            f"The change {change.name!r} leaves {len(dataset)} examples of {present} classes, too few to audit.",
            hint="change less of the data.",
        )


def most_memorized(run: Run, share: float) -> np.ndarray:
    """Rows of the share of the examples with the highest label memorization."""
    result = run.measure("label_memorization")
    assert isinstance(result, PerExample)
    ranked = np.argsort(-np.nan_to_num(result.values, nan=-np.inf), kind="stable")
    return np.sort(ranked[: max(1, round(share * len(ranked)))])
