"""The audit: train what a design asks for, write the evidence, and hand back the run. It resumes where it stopped."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int, Shaped

from byrote.data.dataset import Dataset, notes
from byrote.data.heldout import refuse_unfit, shared_with
from byrote.data.split import balance, few_groups
from byrote.designs.design import Design
from byrote.designs.full_data import full_data
from byrote.designs.half_subset_pairs import LARGE_GROUPS, half_subset_pairs
from byrote.designs.strata import large_group_notes
from byrote.engine.choose import Choice, choose, makespan
from byrote.engine.completion import complete
from byrote.engine.job import Block, Finish, Job, Labelled, blocks_of, check_device, check_network
from byrote.engine.progress import Progress, Silent, Terminal
from byrote.engine.resources import check_disk, check_memory, kept_bytes, logits_fit, size_words, weights_of
from byrote.engine.stopping import Goal, percentile_error
from byrote.errors import BadInput, TooFewModels
from byrote.evidence.kinds.weights import WEIGHTS_AT
from byrote.evidence.made_here import remember
from byrote.evidence.manifest import FILE, Manifest
from byrote.evidence.shards import write_shard
from byrote.evidence.store import Evidence
from byrote.evidence.tables import DESIGN
from byrote.probes import registry
from byrote.probes.trajectory import log_spaced
from byrote.recipes.algorithm import TrainingRecipe
from byrote.results import PerExample
from byrote.runs.folder import dataset_facts, heldout_facts, model_entries, with_digests
from byrote.runs.opening import Tables, described, opened
from byrote.runs.run import MOST_DIVERGED, Run
from byrote.stats.intervals import agresti_caffo

#: Size of the ensemble unless another is asked for.
MODELS = 64
#: The smallest ensemble.
FEWEST_MODELS = 4


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
        device: "cpu" or "cuda"; a GPU is taken where there is one.
        compiled: let `torch.compile` work on stacked models; it pays for long trainings.
        checkpoints: at most this many clean passes over the data as training goes on, dense at the start.
        keep_weights: also keep every model's weights.
        keep_weights_at: besides, keep those of a few models during training, for probes after it: "checkpoints",
            "best" (the lowest held-out loss) or numbers of epochs, as "0,3,last"; of 4 pairs, and at most 1 GB.
        probes: what else to read off every trained network: "gradient_norm", for the attack of that name, and
            "last_layer", for `stolen_memories`; on digits the two take longer than training does.
        progress: False for silence.
        source: how the command line finds dataset and recipe again.
        remarks: what a person should know of how the data was read; said first and kept with the run.
        finish: done to each model before it is asked anything.
        parent: the run that this one is a changed form of.
        executor: the blocks of another run's manifest, to train the very same networks again.

    Raises:
        BadInput, RunMismatch, NotEnoughRoom, WorkerFailed: each in a sentence that says what to do.
    """
    refuse_uncalled(dataset, recipe, heldout)
    device = device or default_device()
    check_device(device)
    folder = Path(out) if out is not None else Path("runs") / dataset.name
    listener: Progress = Terminal() if progress is True else Silent() if progress is False else progress
    started = time.monotonic()
    refuse_other_classes(dataset, heldout)
    refuse_unknown(probes)
    keep_weights = keep_weights or keep_weights_at is not None
    goal = Goal.of(stderr=stderr, budget=budget, models=models)
    if goal is not None and (design is not None or executor is not None):
        raise BadInput(
            "An audit that stops by itself trains on complementary halves and takes no design or executor.",
            hint="leave out stderr and budget, or the design.",
        )
    if design is None:
        ensemble = goal.looks[0] if goal else MODELS if models is None else models
        design = halves(
            len(dataset), ensemble, 0 if goal else full, seed, dataset.groups, large_first=large_first_in(folder)
        )
    if design.examples != len(dataset):
        raise BadInput(
            f"The design is about {design.examples} examples, the dataset has {len(dataset)}.",
            hint="make the design for a dataset of this length.",
        )
    most = goal.looks[-1] + full if goal else design.models
    stopping = None if goal is None else {**goal.describe(), "full": full}
    job = Job(
        recipe=recipe,
        data=Labelled.of(dataset),
        heldout=None if heldout is None else Labelled.of(heldout.replace(scale=dataset.scale)),
        classes=dataset.outputs,
        scale=dataset.scale,
        design=design,
        seeds=seeds_of(seed, design.models),
        checkpoints=log_spaced(recipe.epochs, checkpoints),
        folder=folder / "evidence",
        keep_logits=logits_fit(most, len(dataset), dataset.outputs),
        keep_weights=keep_weights,
        keep_weights_at=keep_weights_at,
        probes=tuple(sorted(probes)),
        device=device,
        finish=finish,
    )
    identity = {
        "dataset": dataset.fingerprint(),
        "heldout": None if heldout is None else heldout.fingerprint(),
        "recipe": recipe.describe(),
        "design": design.describe(),
        "seed": seed,
        "checkpoints": job.checkpoints,
        "keep_weights": keep_weights,
        "probes": sorted(probes) or None,
        "change": None if parent is None else parent["change"],
        "stopping": stopping,
        **({} if keep_weights_at is None else {"keep_weights_at": keep_weights_at}),
    }
    workers = workers or default_workers(job.device)

    def describe() -> Manifest:
        said = (
            *remarks,
            *notes(dataset),
            *balance(dataset),
            *few_groups(dataset),
            *large_group_notes(design.member, dataset.groups),
            *(shared_with(heldout, dataset) if heldout is not None else ()),
        )
        for note in said:
            listener.say(note)
        return described(
            design,
            origin="trained",
            dataset=dataset_facts(dataset),
            heldout=None if heldout is None else heldout_facts(heldout),
            identity=identity,
            seeds=list(job.seeds),
            executor=_divided(job, goal, full, workers, compiled, executor, listener),
            checkpoints=job.checkpoints,
            evidence=(*job.kinds(len(design.phases) - 1), *(() if job.keeping is None else (WEIGHTS_AT.name,))),
            source=source,
            parent=parent,
            stopping=None if stopping is None else {**stopping, "reached": [], "stopped": None},
            notes=said,
        )

    with opened(
        folder,
        design,
        Tables.of(dataset),
        describe,
        identity=identity,
        so_far=lambda manifest: design_so_far(manifest, design, goal, seed, dataset.groups),
        say=listener.say,
    ) as place:
        if source is not None and parent is None and (told := remember(place.manifest.identifier, source)):
            listener.say(told)
        if goal is None:
            _completed(job, place.manifest, workers, listener)
        else:
            _train_to_goal(folder, job, goal, full, seed, dataset.groups, place.manifest, workers, listener, started)
    return Run.open(folder).attach(dataset, recipe, heldout)


def _divided(
    job: Job,
    goal: Goal | None,
    full: int,
    workers: int,
    compiled: bool,
    executor: dict[str, Any] | None,
    listener: Progress,
) -> dict[str, Any]:
    """How the models of a new run are divided into blocks, unless `executor` says it; checks that there is room."""
    check_network(job)
    if job.keeping is not None:
        listener.say(job.keeping.words(size_words(kept_bytes(job))))
    job.folder.mkdir(parents=True, exist_ok=True)
    check_disk(job, job.design.models)
    if executor is None:
        choice = choose(job, per_worker=per_worker(goal, job.design.models, workers), compiled=compiled)
        listener.say(choice.reason[0].upper() + choice.reason[1:] + ".")
        executor = {
            "blocks": [vars(block) for block in blocks_by(choice, job.design, goal, workers)],
            "reason": choice.reason,
            "seconds_a_model": choice.seconds_a_model,
            "device": job.device,
            "threads": 1,
        }
        if goal is not None:
            executor["size"], executor["workers"] = choice.size, workers
            executor["seconds_full"] = seconds_of_full(choice, full, workers)
            refuse_budget(goal, choice.seconds_a_model * goal.looks[0] / workers + executor["seconds_full"])
    blocks = _blocks(executor)
    check_memory(job, max(len(block.models) for block in blocks), weights_of(job), min(workers, len(blocks)))
    return executor


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
    return not (folder / FILE).exists() or LARGE_GROUPS in Manifest.read(folder).design.get("parameters", {})


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


def seeds_of(seed: int, models: int) -> list[int]:
    """What fixes each model, by its number."""
    return [int(np.random.SeedSequence([seed, model]).generate_state(1)[0]) for model in range(models)]


def per_worker(goal: Goal | None, models: int, workers: int) -> int:
    """The most models that fall to one process at a time."""
    stages = [models] if goal is None else [b - a for a, b in pairwise((0, *goal.looks))]
    return -(-max(stages) // workers)


def blocks_by(choice: Choice, design: Design, goal: Goal | None, workers: int) -> list[Block]:
    """The division into blocks that is trained first: of all models, or of those until the first look."""
    if goal is None:
        return list(blocks_of(design, choice.size, stacked=choice.stacked, compiled=choice.compiled))
    return blocks_between(0, design.models, choice.size, workers, compiled=choice.compiled, shown=shown_by(design))


def blocks_between(
    start: int,
    stop: int,
    size: int,
    workers: int,
    *,
    compiled: bool,
    shown: Int[np.ndarray, " model"] | None = None,
) -> list[Block]:
    """Blocks of models that show equally many examples, which leave no process without work.

    `shown[model]` says how many; None where they are equal.
    """
    size = max(1, min(size, -(-(stop - start) // workers)))
    models = np.arange(start, stop)
    alike = [models] if shown is None else [models[shown[start:stop] == many] for many in np.unique(shown[start:stop])]
    chunks = [tuple(one[first : first + size].tolist()) for one in alike for first in range(0, len(one), size)]
    return [Block(models=chunk, stacked=len(chunk) > 1, compiled=compiled) for chunk in chunks]


def shown_by(design: Design) -> Int[np.ndarray, " model"]:
    """How many examples each model shows an epoch of the first phase."""
    return np.asarray(design.phases[0].count.sum(1, dtype=np.int64))


def seconds_of_full(choice: Choice, full: int, workers: int) -> float:
    """What the models on all data take, twice as long each as one on half."""
    blocks = blocks_between(0, full, choice.size, workers, compiled=False)
    return makespan([2 * choice.seconds(len(block.models)) for block in blocks], workers)


def refuse_budget(goal: Goal, seconds: float) -> None:
    """Refuse a budget below the seconds that it takes until the first look.

    Raises:
        BadInput: it is below them.
    """
    if goal.budget is not None and seconds > goal.budget:
        raise BadInput(
            f"A budget of {goal.budget:g} seconds does not last until the first look, after {goal.looks[0]} models, "
            f"which takes about {seconds:.0f} seconds.",
            hint=f"--budget {1 + 2 * seconds // 60:.0f}m, or fewer --models.",
        )


def _train_to_goal(
    folder: Path,
    job: Job,
    goal: Goal,
    full: int,
    seed: int,
    groups: Shaped[np.ndarray, " example"] | None,
    manifest: Manifest,
    workers: int,
    listener: Progress,
    started: float,
) -> None:
    """Train from look to look; design and manifest grow with the models, and end as if no more had been planned."""
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
        said = _said(models, error, why)
        listener.say(said)
        stopping["reached"] = [*stopping["reached"], look]
        if why:
            stopping["stopped"] = {"models": models, "why": why}
            manifest = replace(manifest, notes=(*manifest.notes, said))
        manifest = replace(manifest, stopping=stopping)
        manifest.write(folder)
    job = _resized(job, stopping["stopped"]["models"], full, seed, groups)
    manifest = _extended(folder, manifest, job)
    _completed(job, manifest, workers, listener)


def _completed(job: Job, manifest: Manifest, workers: int, listener: Progress) -> None:
    """Train whatever is missing of the blocks that the manifest names."""
    seconds = manifest.executor["seconds_a_model"]
    error_with = _RunningError(job).with_models
    complete(job, _blocks(manifest.executor), workers, listener, seconds=seconds, error_with=error_with)


def _said(models: int, error: float, why: str) -> str:
    known = "" if np.isnan(error) else f"9 of 10 examples have an error of label memorization of at most {error:.3f}"
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
    write_shard(folder / DESIGN, job.design.tensors(), {"kind": "design"})
    manifest = replace(
        with_digests(folder, manifest),
        design=facts,
        models=model_entries(job.design, list(job.seeds), "trained"),
        executor={**executor, "blocks": [*executor["blocks"], *(vars(block) for block in added)]},
    )
    manifest.write(folder)
    return manifest


def _error_at_look(folder: Path, goal: Goal) -> tuple[float, str]:
    """The percentile error, and why no more models can mend the run; nan where so many diverged that none is known."""
    run = Run.open(folder)
    if len(run.diverged()) > MOST_DIVERGED * goal.looks[-1]:
        return float("nan"), "too many models diverged"
    try:
        models = run.models()
    except TooFewModels:  # a few more models may bring the share below what refuses a result
        return float("nan"), ""
    result = run.measured_on("label_memorization", models)
    assert isinstance(result, PerExample)
    return percentile_error(result.stderr), ""


def _blocks(executor: dict[str, Any]) -> list[Block]:
    return [Block(**{**block, "models": tuple(block["models"])}) for block in executor["blocks"]]


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
    names = [name.partition(",")[0] for name in probes]
    later = sorted({*names} & {*registry.probes(after=True)})
    if later and not isinstance(probes, str):
        raise BadInput(
            f"The probe {later[0]!r} reads a run after its training.",
            hint=f"audit with --keep-weights-at checkpoints, then `byrote probe RUN {later[0]}`.",
        )
    if isinstance(probes, str) or {*names} - {*known} or len({*names}) < len(names):
        raise BadInput(
            f"The 'probes' argument of audit must be different names of probes. Got {probes!r}.",
            hint=f'they are {", ".join(known)}, as in probes=("last_layer",).',
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
    """As many processes as there are cores; one on a GPU."""
    if device != "cpu":
        return 1
    affinity: Callable[[int], set[int]] | None = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
