"""The audit: train what a design asks for, write the evidence, and hand back the run. It resumes where it stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped

from byrote.data.dataset import Dataset, notes
from byrote.data.heldout import shared_with
from byrote.data.split import balance, few_groups
from byrote.designs.design import Design
from byrote.designs.half_subset_pairs import LARGE_GROUPS
from byrote.designs.strata import large_group_notes
from byrote.engine.completion import complete
from byrote.engine.division import blocks_between, blocks_in, divided, shown_by
from byrote.engine.executing import chosen
from byrote.engine.job import Finish, Job
from byrote.engine.looks import OnLook
from byrote.engine.preparation import Prepared, halves, prepare, seeds_of
from byrote.engine.progress import Progress, listening
from byrote.engine.resources import check_disk
from byrote.engine.stopping import COUNTS, Goal, percentile_error, said
from byrote.errors import TooFewModels
from byrote.evidence.kinds.weights import WEIGHTS_AT
from byrote.evidence.made_here import remember
from byrote.evidence.manifest import Manifest
from byrote.evidence.store import Evidence
from byrote.recipes.algorithm import TrainingRecipe
from byrote.recipes.guarantee import Guarantee, promised
from byrote.recipes.private import Private
from byrote.results import PerExample
from byrote.runs.folder import dataset_facts, heldout_facts, model_entries
from byrote.runs.opening import Tables, described, grown, opened
from byrote.runs.run import MOST_DIVERGED, Run
from byrote.stats.intervals import agresti_caffo


def audit(
    dataset: Dataset,
    recipe: TrainingRecipe,
    *,
    heldout: Dataset | None = None,
    models: int | None = None,
    full: int = 2,
    stderr: float | None = None,
    budget: float | int | str | None = None,
    design: Design | None = None,
    out: str | Path | None = None,
    seed: int = 0,
    workers: int | None = None,
    device: str | None = None,
    compiled: bool = False,
    checkpoints: int = 20,
    keep_weights: bool = False,
    keep_weights_at: str | None = None,
    probes: Sequence[str] = (),
    progress: Progress | bool = True,
    source: dict[str, Any] | None = None,
    remarks: Sequence[str] = (),
    finish: Finish | None = None,
    parent: dict[str, Any] | None = None,
    executor: dict[str, Any] | None = None,
    look: Callable[[Run, float], None] | None = None,
    estimate: str = COUNTS,
) -> Run:
    """Train an ensemble of the recipe on subsets of the dataset and record what every model says of every example.

    By default `models` networks train on complementary halves of the data, two by two, and `full` more on all of it.
    The same call goes on with a run that was stopped; another one refuses the folder and says what differs.

    Args:
        dataset: what to train on.
        recipe: how to train: a `Recipe`, or anything with its `bind` and `describe`.
        heldout: examples that no model trains on; needed for influence and held-out accuracy.
        models: size of the ensemble, 64 unless given; an example's error falls with its square root. With `stderr`
            or `budget` it is the most that are trained: unless given, as many as the error takes at worst.
        full: models beside it that train on all data.
        stderr: stop once 9 of 10 examples have an error of label memorization of at most this.
        budget: train no longer than this, in seconds or as "90s", "10m", "1.5h"; what was stopped in between two
            looks counts from the last one. Looks are planned beforehand, see `byrote.engine.stopping`.
        design: who trains on what, instead of the default.
        out: the run folder; `runs/<dataset's name>` unless given.
        seed: fixes subsets, initial weights, orders and noise.
        workers: training processes of one thread each; as many as there are cores unless given.
        device: "cpu" or "cuda" (default: "cuda" if available).
        compiled: let `torch.compile` work on stacked models; it pays for long trainings.
        checkpoints: at most this many clean passes over the data as training goes on, dense at the start.
        keep_weights: also keep every model's weights.
        keep_weights_at: besides, keep those of a few models during training, for probes after it: "checkpoints",
            "best" (the lowest held-out loss) or numbers of epochs, as "0,3,last"; of 4 pairs, and at most 1 GB.
        probes: what else to read off every trained network: "gradient_norm", for the attack of that name, and
            "last_layer", for `stolen_memories`; and off networks as they train, as "el2n", "input_gradients",
            "variance_of_gradients", "weight_gradients", "input_curvature": `byrote.plan` says what each takes.
        progress: False for silence.
        source: how the command line finds dataset and recipe again.
        remarks: what a person should know of how the data was read; said first and kept with the run.
        finish: done to each model before it is asked anything.
        parent: the run that this one is a changed form of.
        executor: the blocks of another run's manifest, to train the very same networks again.
        look: given the run of the models that are there, after the first on all data and after 4, 8, 16 and 32 of the
            ensemble while others train, and the seconds of training to come. What is recorded is the same without it.
        estimate: the measure whose errors `stderr` is about: "label_memorization", or "label_memorization[margin]",
            which takes fewer models where margins are normal.

    Raises:
        BadInput, RunMismatch, NotEnoughRoom, WorkerFailed: each in a sentence that says what to do.

    Example:
        >>> from sklearn.datasets import make_classification
        >>> data = byrote.from_arrays(*make_classification(400, flip_y=0.2, random_state=0), name="toy")
        >>> recipe = byrote.Recipe(network=byrote.MLP(hidden=(64,)), epochs=10, batch_size=32)
        >>> run = byrote.audit(data, recipe, models=24, workers=1, progress=False)
        >>> run
        Run('runs/toy': trained, 26 models, 400 examples of 'toy')
        >>> run.measure("label_memorization")
        PerExample(400 examples, 400 defined, median ..., largest ..., from 24 models)
    """
    folder = Path(out) if out is not None else Path("runs") / dataset.name
    listener = listening(progress)
    started = time.monotonic()
    prepared = prepare(
        dataset,
        recipe,
        heldout=heldout,
        models=models,
        full=full,
        stderr=stderr,
        budget=budget,
        seed=seed,
        workers=workers,
        device=device,
        checkpoints=checkpoints,
        keep_weights=keep_weights,
        keep_weights_at=keep_weights_at,
        probes=probes,
        design=design,
        executor=executor,
        folder=folder,
        finish=finish,
        estimate=estimate,
    )
    job, goal, stopping, planned = prepared.job, prepared.goal, prepared.stopping, prepared.job.design
    identity = _identity(prepared, dataset, heldout, recipe, seed, parent)

    def describe() -> Manifest:
        privacy = _privacy(prepared, dataset, recipe, changed=finish is not None)
        known = (*remarks, *_noticed(planned, dataset, heldout), *(() if privacy is None else privacy.words()))
        for note in known:
            listener.say(note)
        return described(
            planned,
            origin="trained",
            dataset=dataset_facts(dataset),
            heldout=None if heldout is None else heldout_facts(heldout),
            identity=identity,
            seeds=list(job.seeds),
            executor=divided(prepared, listener, compiled=compiled, executor=executor),
            checkpoints=job.checkpoints,
            evidence=(*job.kinds(len(planned.phases) - 1), *(() if job.keeping is None else (WEIGHTS_AT.name,))),
            source=source,
            parent=parent,
            stopping=None if stopping is None else {**stopping, "reached": [], "stopped": None},
            notes=known,
            privacy=None if privacy is None else privacy.facts(),
        )

    with opened(
        folder,
        planned,
        Tables.of(dataset),
        describe,
        identity=identity,
        so_far=lambda manifest: design_so_far(manifest, planned, goal, seed, dataset.groups),
        alone=chosen().alone,
        say=listener.say,
    ) as place:
        if source is not None and parent is None and (unkept := remember(place.manifest.identifier, source)):
            listener.say(unkept)
        if goal is None:

            def looked(models: Sequence[int], seconds: float) -> None:
                assert look is not None
                look(Run.open(folder).attach(dataset, recipe, heldout).so_far(models), seconds)

            _completed(job, place.manifest, prepared.workers, listener, None if look is None else looked)
        else:
            _train_to_goal(folder, prepared, goal, seed, dataset.groups, place.manifest, listener, started)
    return Run.open(folder).attach(dataset, recipe, heldout)


def _identity(
    prepared: Prepared,
    dataset: Dataset,
    heldout: Dataset | None,
    recipe: TrainingRecipe,
    seed: int,
    parent: dict[str, Any] | None,
) -> dict[str, Any]:
    """What makes a run another one, so that a resume compares it."""
    job = prepared.job
    return {
        "dataset": dataset.fingerprint(),
        "heldout": None if heldout is None else heldout.fingerprint(),
        "recipe": recipe.describe(),
        "design": job.design.describe(),
        "seed": seed,
        "checkpoints": job.checkpoints,
        "keep_weights": job.keep_weights,
        "probes": sorted(job.probes) or None,
        "change": None if parent is None else parent["change"],
        "stopping": prepared.stopping,
        **({} if job.keep_weights_at is None else {"keep_weights_at": job.keep_weights_at}),
    }


def _privacy(prepared: Prepared, dataset: Dataset, recipe: TrainingRecipe, *, changed: bool) -> Guarantee | None:
    """What a private recipe guarantees of each model; None of any other recipe."""
    if not isinstance(recipe, Private):
        return None
    design, goal, groups = prepared.job.design, prepared.goal, dataset.groups
    with_one = int((design.member == 1).sum(0).max()) if goal is None else goal.looks[-1] // 2 + prepared.full
    return promised(
        recipe,
        epochs=sum(phase.length(recipe.epochs) for phase in design.phases),
        examples=len(dataset),
        models=with_one,
        copies=max(int(phase.count.max()) for phase in design.phases),
        group=1 if groups is None else int(np.unique(groups, return_counts=True)[1].max()),
        changed=changed,
    )


def _noticed(design: Design, dataset: Dataset, heldout: Dataset | None) -> tuple[str, ...]:
    """What there is to say of the data before anything trains."""
    return (
        *notes(dataset),
        *balance(dataset),
        *few_groups(dataset),
        *large_group_notes(design.member, dataset.groups),
        *(shared_with(heldout, dataset) if heldout is not None else ()),
    )


def design_so_far(
    manifest: Manifest, design: Design, goal: Goal | None, seed: int, groups: Shaped[np.ndarray, " example"] | None
) -> Design:
    """The design of a run that is gone on with: until its goal it has the models that its manifest names."""
    if goal is None:
        return design
    roles = [entry.role for entry in manifest.models]
    return _redrawn(design, roles.count("reference"), roles.count("full"), seed, groups)


def _redrawn(
    design: Design, models: int, full: int, seed: int, groups: Shaped[np.ndarray, " example"] | None
) -> Design:
    """The halves that a design began with, of so many models."""
    return halves(design.examples, models, full, seed, groups, large_first=LARGE_GROUPS in design.parameters)


def _train_to_goal(
    folder: Path,
    prepared: Prepared,
    goal: Goal,
    seed: int,
    groups: Shaped[np.ndarray, " example"] | None,
    manifest: Manifest,
    listener: Progress,
    started: float,
) -> None:
    """Train from look to look; design and manifest grow with the models, and end as if no more had been planned."""
    job, full, workers = prepared.job, prepared.full, prepared.workers
    stopping = dict(manifest.stopping or {})
    before = stopping["reached"][-1]["seconds"] if stopping["reached"] else 0.0
    while stopping["stopped"] is None:
        models = goal.looks[len(stopping["reached"])]
        job = _resized(job, models, 0, seed, groups)
        manifest = _extended(folder, manifest, job)
        _completed(job, manifest, workers, listener)
        error, hopeless = _error_at_look(folder, goal)
        seconds = before + time.monotonic() - started
        to_come = [look for look in goal.looks if look > models]
        ahead = (to_come[0] - models) * seconds / models if to_come else 0.0
        why = hopeless or goal.verdict(models, error, seconds, ahead + manifest.executor["seconds_full"])
        look = {"models": models, "stderr": None if np.isnan(error) else error, "seconds": seconds}
        note = _at_look(models, error, why, goal.estimate)
        listener.say(note)
        stopping["reached"] = [*stopping["reached"], look]
        if why:
            stopping["stopped"] = {"models": models, "why": why}
            manifest = replace(manifest, notes=(*manifest.notes, note))
        manifest = replace(manifest, stopping=stopping)
        manifest.write(folder)
    job = _resized(job, stopping["stopped"]["models"], full, seed, groups)
    manifest = _extended(folder, manifest, job)
    _completed(job, manifest, workers, listener)


def _completed(job: Job, manifest: Manifest, workers: int, listener: Progress, look: OnLook | None = None) -> None:
    """Train whatever is missing of the blocks that the manifest names."""
    seconds = manifest.executor["seconds_a_model"]
    error_with = _RunningError(job).with_models
    blocks = blocks_in(manifest.executor)
    complete(job, blocks, workers, listener, seconds=seconds, error_with=error_with, look=look)


def _at_look(models: int, error: float, why: str, estimate: str) -> str:
    known = "" if np.isnan(error) else f"9 of 10 examples have an error of {said(estimate)} of at most {error:.3f}"
    return f"After {models} models {known or 'no error is known'}{'; training stops here: ' if why else ''}{why}."


def _resized(job: Job, models: int, full: int, seed: int, groups: Shaped[np.ndarray, " example"] | None) -> Job:
    design = _redrawn(job.design, models, full, seed, groups)
    return replace(job, design=design, seeds=seeds_of(seed, design.models))


def _extended(folder: Path, manifest: Manifest, job: Job) -> Manifest:
    """The manifest of a design to which models were added; the design stands in the folder before it does."""
    facts = job.design.describe()
    if manifest.design["fingerprint"] == facts["fingerprint"]:
        return manifest
    known, executor = int(manifest.design["models"]), manifest.executor
    check_disk(job, job.design.models - known)
    compiled = any(block["compiled"] for block in executor["blocks"])
    added = blocks_between(
        known,
        job.design.models,
        executor["size"],
        executor["workers"],
        compiled=compiled,
        shown=shown_by(job.design),
    )
    entries = model_entries(job.design, list(job.seeds), "trained")
    blocks = [*executor["blocks"], *(vars(block) for block in added)]
    return grown(folder, manifest, job.design, entries, executor={**executor, "blocks": blocks})


def _error_at_look(folder: Path, goal: Goal) -> tuple[float, str]:
    """The percentile error, and why no more models can mend the run; nan where so many diverged that none is known."""
    run = Run.open(folder)
    if len(run.diverged()) > MOST_DIVERGED * goal.looks[-1]:
        return float("nan"), "too many models diverged"
    try:
        models = run.models()
    except TooFewModels:  # a few more models may bring the share below what refuses a result
        return float("nan"), ""
    result = run.measured_on(goal.estimate, models)
    assert isinstance(result, PerExample)
    return percentile_error(result.stderr), ""


class _RunningError:
    """The error of label memorization that the models so far give; the middle one of the examples that have one."""

    def __init__(self, job: Job) -> None:
        self.evidence, self.design = Evidence(job.folder), job.design
        self.tallies = np.zeros((4, job.design.examples))
        self.error: float | None = None

    def with_models(self, models: Sequence[int]) -> float | None:
        """With these added; those that diverged, and those on all data, do not count."""
        counting = [model for model in models if self.design.role[model] == 0 and not self._diverged(model)]
        if counting:
            last = len(self.design.phases) - 1
            correct = self.evidence.load("outputs.correct", counting, last)
            member = self.design.member[counting] == 1
            self.tallies += [
                (correct & member).sum(0),
                member.sum(0),
                (correct & ~member).sum(0),
                (~member).sum(0),
            ]
            enough = (self.tallies[1] >= 2) & (self.tallies[3] >= 2)
            if enough.any():
                right_in, seen_in, right_out, seen_out = self.tallies[:, enough].astype(np.int64)
                self.error = float(np.median(agresti_caffo(right_in, seen_in, right_out, seen_out).stderr))
        return self.error

    def _diverged(self, model: int) -> bool:
        return self.evidence.header("outputs", model, len(self.design.phases) - 1)["diverged"] == "true"
