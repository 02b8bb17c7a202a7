"""How the models of an audit are divided into blocks, which train together in one process."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from jaxtyping import Int

from byrote.designs.design import Design
from byrote.engine.choose import Choice, choose, makespan
from byrote.engine.executing import chosen
from byrote.engine.job import Block, blocks_of, check_network
from byrote.engine.language_setting import LanguageSetting
from byrote.engine.looks import stages
from byrote.engine.preparation import Prepared
from byrote.engine.progress import Progress
from byrote.engine.resources import check_disk, check_memory, kept_bytes, size_words, weights_of
from byrote.engine.stopping import Goal
from byrote.errors import BadInput

#: Blocks that end at looks may take so many times as long as larger ones; where they take longer, blocks are large.
LOOKS_COST = 1.1
#: Steps of all models together; where there are fewer, trying out both ways takes about as long as the training.
WORTH_TRYING = 500


def divided(
    prepared: Prepared, listener: Progress, *, compiled: bool = False, executor: dict[str, Any] | None = None
) -> dict[str, Any]:
    """How the models of a new run are divided into blocks, unless `executor` says it; checks that there is room."""
    job, goal, workers = prepared.job, prepared.goal, prepared.workers
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
            executor["seconds_full"] = seconds_of_full(choice, prepared.full, workers)
            refuse_budget(goal, choice.seconds_a_model * goal.looks[0] / workers + executor["seconds_full"])
    blocks = blocks_in(executor)
    check_memory(
        job, max(len(block.models) for block in blocks), weights_of(job), min(chosen().beside(workers), len(blocks))
    )
    return executor


def blocks_in(executor: dict[str, Any]) -> list[Block]:
    """The blocks that a manifest names."""
    return [Block(**{**block, "models": tuple(block["models"])}) for block in executor["blocks"]]


def divided_documents(job: LanguageSetting, workers: int, listener: Progress) -> dict[str, Any]:
    """How the language models of a new run are divided into blocks: stacked where that is equal and faster."""
    facts = {"device": job.device, "threads": 1}
    alike = [np.flatnonzero(job.design.role == role).tolist() for role in np.unique(job.design.role)]
    most = -(-max(map(len, alike)) // workers)
    if most == 1:
        return {**facts, "reason": "one at a time: there are no more models than processes"}
    if job.design.models * job.rehearsal().steps < WORTH_TRYING:
        return {**facts, "reason": "one at a time: the training is too short to try out another way"}
    choice = choose(job, per_worker=most, least=1)
    listener.say(choice.reason[0].upper() + choice.reason[1:] + ".")
    chunks = [tuple(one[at : at + choice.size]) for one in alike for at in range(0, len(one), choice.size)]
    blocks = [Block(models=chunk, stacked=choice.stacked and len(chunk) > 1) for chunk in chunks]
    return {
        **facts,
        "blocks": [vars(block) for block in blocks],
        "reason": choice.reason,
        "seconds_a_model": choice.seconds_a_model,
    }


def blocks_of_documents(executor: dict[str, Any], design: Design) -> list[Block]:
    """The blocks that the manifest of a run of language models names; each model by itself where it names none."""
    alone = [Block(models=(model,), stacked=False) for model in range(design.models)]
    return blocks_in(executor) if "blocks" in executor else alone


def per_worker(goal: Goal | None, models: int, workers: int) -> int:
    """The most models that fall to one process at a time."""
    stages = [models] if goal is None else [b - a for a, b in pairwise((0, *goal.looks))]
    return -(-max(stages) // workers)


def blocks_by(choice: Choice, design: Design, goal: Goal | None, workers: int) -> list[Block]:
    """The division into blocks that is trained first: of all models, or of those until the first look."""
    if goal is None:
        early = [block for stage in stages(design) for block in _blocks(choice, design, stage)]
        late = [*_blocks(choice, design, np.concatenate(stages(design)))]
        return early if _seconds(choice, early, workers) <= LOOKS_COST * _seconds(choice, late, workers) else late
    return blocks_between(0, design.models, choice.size, workers, compiled=choice.compiled, shown=shown_by(design))


def _blocks(choice: Choice, design: Design, among: Int[np.ndarray, " model"]) -> tuple[Block, ...]:
    return blocks_of(design, choice.size, stacked=choice.stacked, compiled=choice.compiled, among=among)


def _seconds(choice: Choice, blocks: list[Block], workers: int) -> float:
    return makespan([choice.seconds(len(block.models)) for block in blocks], workers)


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
            f"A budget of {goal.budget:g} seconds is too short for the first stopping point ({goal.looks[0]} models), "
            f"which takes about {seconds:.0f} seconds.",
            hint=f"--budget {1 + 2 * seconds // 60:.0f}m, or fewer --models.",
        )
