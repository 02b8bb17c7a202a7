"""The completion of a run: what is missing of its evidence is made, here or in a pool of processes, while one watches.

Trainings of classifiers and of language models come through here; a resume is the same call with less missing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from byrote.designs.design import Design
from byrote.engine.executors import Trains, run_here, run_pool
from byrote.engine.job import Block
from byrote.engine.progress import Progress
from byrote.evidence.store import Evidence


@runtime_checkable
class Completable(Trains, Protocol):
    """A job whose evidence can be looked through and completed."""

    @property
    def folder(self) -> Path: ...

    @property
    def design(self) -> Design: ...

    @property
    def device(self) -> str: ...

    def may_have(self, phase: int) -> tuple[str, ...]:
        """The kinds of evidence that models may have of a phase, half-made ones included."""
        ...

    def missing(self, evidence: Evidence, models: Sequence[int]) -> bool:
        """Whether any shard of these models is not there."""
        ...


def complete(
    job: Completable,
    blocks: Sequence[Block],
    workers: int,
    listener: Progress,
    *,
    seconds: float | None = None,
    error_with: Callable[[Sequence[int]], float | None] | None = None,
) -> None:
    """Train those blocks of which evidence is missing or damaged, and write it.

    `seconds` is what a model should take, where that is known; `error_with` is told which models have been added and
    gives the error to show beside the progress.
    """
    evidence = Evidence(job.folder)
    sweep(job, evidence, listener)
    missing = [block for block in blocks if job.missing(evidence, block.models)]
    there = [model for block in blocks if block not in missing for model in block.models]
    watch = Watch(missing, there, listener, error_with)
    if not missing:
        return
    todo = sum(len(block.models) for block in missing)
    ahead = None if seconds is None else seconds * todo / min(workers, len(missing))
    listener.start(len(there) + todo, len(there), ahead)
    try:
        if workers == 1 or len(missing) == 1 or job.device != "cpu":
            run_here(job, missing, watch)
        else:
            run_pool(job, missing, workers, watch)
    finally:
        listener.stop()


def sweep(job: Completable, evidence: Evidence, listener: Progress) -> None:
    """Remove what a killed process left half written, and damaged shards."""
    sweep_all(evidence, [job.may_have(phase) for phase in range(len(job.design.phases))], job.design.models, listener)


def sweep_all(evidence: Evidence, kinds: Sequence[Sequence[str]], models: int, listener: Progress) -> None:
    """The same of `kinds[phase]` of so many models."""
    for part in evidence.folder.rglob("*.part"):
        part.unlink()
    for model in range(models):
        for phase, those in enumerate(kinds):
            for kind in those:
                wrong = evidence.sweep(kind, model, phase)
                if wrong:
                    listener.say(f"{wrong} Model {model} is done again.")


class Watch:
    """Adds up the shares of blocks that are done, and tells of models that diverge and processes that die."""

    def __init__(
        self,
        blocks: Sequence[Block],
        there: Sequence[int],
        progress: Progress,
        error_with: Callable[[Sequence[int]], float | None] | None = None,
    ) -> None:
        self.progress = progress
        self.there = len(there)
        self.shares = {block.models: 0.0 for block in blocks}
        self.error_with = error_with or _unknown
        self.error = self.error_with(there)

    def advanced(self, block: Block, share: float) -> None:
        """A block is done to that share."""
        self.shares[block.models] = share
        self.progress.advance(self.there + sum(len(m) * s for m, s in self.shares.items()), self.error)

    def finished(self, block: Block, diverged: list[int]) -> None:
        """A block is done."""
        for model in diverged:
            self.progress.say(f"Model {model} diverged: it and its mate are left out of all results.")
        self.error = self.error_with([model for model in block.models if model not in diverged])
        self.advanced(block, 1.0)

    def retried(self, block: Block, exit_code: int | None) -> None:
        """The process of a block died, and another one begins it again."""
        first, last = block.models[0], block.models[-1]
        models = f"model {first}" if first == last else f"models {first}-{last}"
        self.progress.say(f"The process training {models} ended with code {exit_code}; trying again.")


def _unknown(models: Sequence[int]) -> float | None:
    return None
