"""The completion of a run: what is missing of its evidence is made, here or in a pool of processes, while one watches.

Trainings of classifiers and of language models come through here; a resume is the same call with less missing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from byrote.designs.design import Design
from byrote.engine.executing import chosen
from byrote.engine.executors import Movable
from byrote.engine.job import Block
from byrote.engine.looks import Looks, OnLook
from byrote.engine.progress import Progress
from byrote.evidence.store import Evidence


@runtime_checkable
class Completable(Movable, Protocol):
    """A job whose evidence can be looked through and completed."""

    @property
    def design(self) -> Design: ...

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
    look: OnLook | None = None,
) -> None:
    """Train those blocks of which evidence is missing or damaged, and write it.

    `seconds` is what a model should take, where that is known; `error_with` is told which models have been added and
    gives the error to show beside the progress; `look` is called as `Looks` says, unless
    others train parts of the run.

    Raises:
        PartDone: the executor trained its part of the run, which others complete.
    """
    executor, all_of_them = chosen(), blocks
    blocks = executor.share(all_of_them)
    evidence = Evidence(job.folder)
    sweep(job, evidence, blocks, listener)
    missing = [block for block in blocks if job.missing(evidence, block.models)]
    there = [model for block in blocks if block not in missing for model in block.models]
    looks = Looks(job.design, look, set(there)) if look is not None and executor.whole else None
    watch = Watch(missing, there, listener, error_with, looks)
    if missing:
        _make(job, missing, there, workers, listener, watch, seconds)
    if not executor.whole:
        left = sum(job.missing(evidence, block.models) for block in all_of_them)
        raise PartDone(len(all_of_them), left)


def _make(
    job: Completable,
    missing: Sequence[Block],
    there: Sequence[int],
    workers: int,
    listener: Progress,
    watch: Watch,
    seconds: float | None,
) -> None:
    todo = sum(len(block.models) for block in missing)
    ahead = None if seconds is None else seconds * todo / min(workers, len(missing))
    listener.start(len(there) + todo, len(there), ahead)
    try:
        chosen().run(job, missing, workers, watch)
    finally:
        listener.stop()


class PartDone(Exception):
    """A part of a run is trained, and the run is not complete by that: no error, but there is nothing to hand back."""

    def __init__(self, blocks: int, left: int) -> None:
        super().__init__(f"{left} of {blocks} blocks of the run are still to be trained.")
        self.blocks, self.left = blocks, left


def sweep(job: Completable, evidence: Evidence, blocks: Sequence[Block], listener: Progress) -> None:
    """Remove what a killed process left half written, and damaged shards of the models of these blocks.

    Where others train parts of the run meanwhile, what is half written is theirs.
    """
    kinds = [job.may_have(phase) for phase in range(len(job.design.phases))]
    if chosen().whole:
        sweep_parts(evidence)
    sweep_all(evidence, kinds, sorted(model for block in blocks for model in block.models), listener)


def sweep_parts(evidence: Evidence) -> None:
    """Remove what is half written."""
    for part in evidence.folder.rglob("*.part"):
        part.unlink()


def sweep_all(evidence: Evidence, kinds: Sequence[Sequence[str]], models: Sequence[int], listener: Progress) -> None:
    """Remove damaged shards of `kinds[phase]` of these models."""
    for model in models:
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
        looks: Looks | None = None,
    ) -> None:
        self.looks = looks
        self.progress = progress
        self.there = len(there)
        self.shares = {block.models: 0.0 for block in blocks}
        self.error_with = error_with or _unknown
        self.error = self.error_with(there)

    def advanced(self, block: Block, share: float) -> None:
        """A block is done to that share."""
        self.shares[block.models] = share
        self.progress.advance(self.trained, self.error)

    @property
    def trained(self) -> float:
        """How many models are trained, parts of models included."""
        return self.there + sum(len(models) * share for models, share in self.shares.items())

    def finished(self, block: Block, diverged: list[int]) -> None:
        """A block is done."""
        for model in diverged:
            self.progress.say(f"Model {model} diverged. It and the other model of its pair are excluded.")
        self.error = self.error_with([model for model in block.models if model not in diverged])
        self.advanced(block, 1.0)
        if self.looks is not None:
            self.looks.finished(block.models, self.trained)

    def retried(self, block: Block, exit_code: int | None) -> None:
        """The process of a block died, and another one begins it again."""
        first, last = block.models[0], block.models[-1]
        models = f"model {first}" if first == last else f"models {first}-{last}"
        how = "was lost" if exit_code is None else f"ended with code {exit_code}"
        self.progress.say(f"The process training {models} {how}; trying again.")


def _unknown(models: Sequence[int]) -> float | None:
    return None
