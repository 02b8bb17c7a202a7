"""The audit: train what a design asks for, write the evidence, and hand back the run. It resumes where it stopped."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from byrote.data.dataset import Dataset, notes
from byrote.designs.design import Design
from byrote.designs.full_data import full_data
from byrote.designs.half_subset_pairs import half_subset_pairs
from byrote.errors import BadInput
from byrote.evidence.manifest import FILE, Manifest, refuse_mismatch
from byrote.evidence.store import Evidence
from byrote.folder import dataset_facts, environment, hold, model_entries, now, refuse_remains, set_up
from byrote.probes.trajectory import log_spaced
from byrote.progress import Silent, Terminal
from byrote.recipes.algorithm import TrainingRecipe
from byrote.run import Run
from byrote.stats.intervals import agresti_caffo
from byrote.train.choose import choose
from byrote.train.executors import run_here, run_pool
from byrote.train.job import Block, Finish, Job, Labelled, blocks_of, check_network
from byrote.train.resources import check_disk, check_memory, logits_fit


@runtime_checkable
class Progress(Protocol):
    """Hears how an audit goes; `byrote.progress` has a silent one and one for terminals."""

    def say(self, sentence: str) -> None: ...

    def start(self, models: int, done: int, seconds: float | None) -> None: ...

    def advance(self, models_done: float, error: float | None) -> None: ...

    def stop(self) -> None: ...


def audit(
    dataset: Dataset,
    recipe: TrainingRecipe,
    *,
    heldout: Dataset | None = None,
    models: int = 64,
    full: int = 2,
    design: Design | None = None,
    out: str | Path | None = None,
    seed: int = 0,
    workers: int | None = None,
    device: str | None = None,
    compiled: bool = False,
    checkpoints: int = 20,
    keep_weights: bool = False,
    progress: Progress | bool = True,
    source: dict[str, Any] | None = None,
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
        models: size of the ensemble; an example's error falls with its square root.
        full: models beside it that train on all data.
        design: who trains on what, instead of the default.
        out: the run folder; `runs/<dataset's name>` unless given.
        seed: fixes subsets, initial weights, orders and noise.
        workers: training processes of one thread each; as many as there are cores unless given.
        device: "cpu" or "cuda"; a GPU is taken where there is one.
        compiled: let `torch.compile` work on stacked models; it pays for long trainings.
        checkpoints: at most this many clean passes over the data as training goes on, dense at the start.
        keep_weights: also keep every model's weights.
        progress: False for silence.
        source: how the command line finds dataset and recipe again.
        finish: done to each model before it is asked anything.
        parent: the run that this one is a changed form of.
        executor: the blocks of another run's manifest, to train the very same networks again.

    Raises:
        BadInput, RunMismatch, NotEnoughRoom, WorkerFailed: each in a sentence that says what to do.
    """
    folder = Path(out) if out is not None else Path("runs") / dataset.name
    listener: Progress = Terminal() if progress is True else Silent() if progress is False else progress
    if heldout is not None and heldout.class_names != dataset.class_names:
        raise BadInput(
            f"The held-out dataset has the classes {heldout.class_names}, the training data {dataset.class_names}.",
            hint="give both the same class_names.",
        )
    if design is None:
        design = half_subset_pairs(len(dataset), models, rng=np.random.default_rng([seed, 1]))
        if full:
            design = design.joined(full_data(len(dataset), full))
    if design.examples != len(dataset):
        raise BadInput(f"The design is about {design.examples} examples, the dataset has {len(dataset)}.")
    seeds = [int(np.random.SeedSequence([seed, model]).generate_state(1)[0]) for model in range(design.models)]
    job = Job(
        recipe=recipe,
        data=Labelled(inputs=dataset.inputs, targets=dataset.targets),
        heldout=None if heldout is None else Labelled(inputs=heldout.inputs, targets=heldout.targets),
        classes=dataset.classes,
        design=design,
        seeds=seeds,
        checkpoints=log_spaced(recipe.epochs, checkpoints),
        folder=folder / "evidence",
        keep_logits=logits_fit(design.models, len(dataset), dataset.classes),
        keep_weights=keep_weights,
        device=device or _default_device(),
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
        "change": None if parent is None else parent["change"],
    }
    workers = workers or _default_workers(job.device)
    with hold(folder):
        if (folder / FILE).exists():
            manifest = Manifest.read(folder)
            refuse_mismatch(folder, manifest.identity, identity)
            blocks, seconds = _blocks(manifest.executor), manifest.executor["seconds_a_model"]
        else:
            refuse_remains(folder)
            for note in notes(dataset):
                listener.say(note)
            check_network(job)
            (folder / "evidence").mkdir(parents=True, exist_ok=True)
            check_disk(job, design.models)
            if executor is None:
                choice = choose(job, per_worker=-(-design.models // workers), compiled=compiled)
                listener.say(choice.reason[0].upper() + choice.reason[1:] + ".")
                planned = blocks_of(design, choice.size, stacked=choice.stacked, compiled=choice.compiled)
                executor = {
                    "blocks": [vars(block) for block in planned],
                    "reason": choice.reason,
                    "seconds_a_model": choice.seconds_a_model,
                    "device": job.device,
                    "threads": 1,
                }
            blocks, seconds = _blocks(executor), executor["seconds_a_model"]
            weights = sum(w.numel() for w in job.algorithm().network(job.algorithm().init(0)).parameters())
            check_memory(job, max(len(block.models) for block in blocks), weights, min(workers, len(blocks)))
            manifest = Manifest(
                byrote=version("byrote"),
                created=now(),
                origin="trained",
                dataset=dataset_facts(dataset),
                heldout=None if heldout is None else dataset_facts(heldout),
                identity=identity,
                design=design.describe(),
                models=model_entries(design, seeds, "trained"),
                executor=executor,
                checkpoints=job.checkpoints,
                environment=environment(),
                evidence=job.kinds(0),
                source=source,
                parent=parent,
                notes=notes(dataset),
            )
            set_up(folder, manifest, design, dataset.ids, dataset.targets, dataset.controls)
        _train(job, blocks, workers, seconds, listener)
    return Run.open(folder).attach(dataset, recipe, heldout)


def _blocks(executor: dict[str, Any]) -> list[Block]:
    return [Block(**{**block, "models": tuple(block["models"])}) for block in executor["blocks"]]


def _train(job: Job, blocks: list[Block], workers: int, seconds: float, listener: Progress) -> None:
    evidence = Evidence(job.folder)
    for part in job.folder.rglob("*.part"):
        part.unlink()
    for model in range(job.design.models):
        for phase in range(len(job.design.phases)):
            for kind in (*job.kinds(phase), "class_probability"):
                wrong = evidence.sweep(kind, model, phase)
                if wrong:
                    listener.say(f"{wrong} Model {model} is trained again.")
    missing = [block for block in blocks if job.missing(evidence, block.models)]
    if not missing:
        return
    models = sum(len(block.models) for block in blocks)
    todo = sum(len(block.models) for block in missing)
    listener.start(models, models - todo, seconds * todo / min(workers, len(missing)))
    try:
        watch = _Watch(job, missing, models - todo, listener)
        if workers == 1 or len(missing) == 1 or job.device != "cpu":
            run_here(job, missing, watch)
        else:
            run_pool(job, missing, workers, watch)
    finally:
        listener.stop()


class _Watch:
    """Adds up shares of blocks, and the error of label memorization that the finished models give."""

    def __init__(self, job: Job, blocks: list[Block], done: int, progress: Progress) -> None:
        self.job = job
        self.progress = progress
        self.done = done
        self.shares = {block.models: 0.0 for block in blocks}
        self.tallies = np.zeros((4, len(job.data.inputs)))
        self.error: float | None = None

    def advanced(self, block: Block, share: float) -> None:
        self.shares[block.models] = share
        self.progress.advance(self.done + sum(len(m) * s for m, s in self.shares.items()), self.error)

    def finished(self, block: Block, diverged: list[int]) -> None:
        for model in diverged:
            self.progress.say(f"Model {model} diverged: it and its mate are left out of all results.")
        models = [m for m in block.models if m not in diverged and self.job.design.role[m] == 0]
        if models:
            last = len(self.job.design.phases) - 1
            correct = Evidence(self.job.folder).load("outputs.correct", models, last)
            member = self.job.design.member[models] == 1
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
        self.advanced(block, 1.0)

    def retried(self, block: Block, exit_code: int | None) -> None:
        first, last = block.models[0], block.models[-1]
        self.progress.say(f"The process training models {first}-{last} ended with code {exit_code}; trying again.")


def _default_device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _default_workers(device: str) -> int:
    if device != "cpu":
        return 1
    affinity: Callable[[int], set[int]] | None = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
