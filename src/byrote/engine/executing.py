"""Who trains the blocks of a run: this machine, unless another executor was chosen for a while."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol, runtime_checkable

from byrote.engine.executors import Listener, Movable, run_here, run_pool
from byrote.engine.job import Block


@runtime_checkable
class Executor(Protocol):
    """Trains blocks somewhere. Whoever does it, the same blocks leave the same evidence."""

    @property
    def whole(self) -> bool:
        """Whether it trains all blocks of a run."""
        ...

    @property
    def alone(self) -> bool:
        """Whether nobody else may work in the run's folder meanwhile."""
        ...

    def places(self, device: str) -> int:
        """How many blocks train at once, unless a number is given."""
        ...

    def beside(self, workers: int) -> int:
        """How many of so many processes take memory of this machine."""
        ...

    def share(self, blocks: Sequence[Block]) -> list[Block]:
        """Those of a run's blocks that it is to train."""
        ...

    def run(self, job: Movable, blocks: Sequence[Block], workers: int, listener: Listener) -> None:
        """Train the blocks, and write their evidence into the job's folder."""
        ...


class Here:
    """This machine: this process, or a pool of processes of one thread each."""

    whole, alone = True, True

    def places(self, device: str) -> int:
        """As many as there are cores for this process; one on a GPU."""
        if device != "cpu":
            return 1
        affinity: Callable[[int], set[int]] | None = getattr(os, "sched_getaffinity", None)
        return len(affinity(0)) if affinity else os.cpu_count() or 1

    def beside(self, workers: int) -> int:
        """All of them."""
        return workers

    def share(self, blocks: Sequence[Block]) -> list[Block]:
        """All of them."""
        return list(blocks)

    def run(self, job: Movable, blocks: Sequence[Block], workers: int, listener: Listener) -> None:
        """Train them in this process where a pool would not pay, else in a pool."""
        if workers == 1 or len(blocks) == 1 or job.device != "cpu":
            run_here(job, blocks, listener)
        else:
            run_pool(job, blocks, workers, listener)


_CHOSEN: ContextVar[Executor] = ContextVar("executor", default=Here())  # noqa: B039 - it has no state


def chosen() -> Executor:
    """The executor of the moment."""
    return _CHOSEN.get()


@contextmanager
def executing(executor: Executor) -> Iterator[Executor]:
    """Let this executor train whatever is trained until the block ends.

    Example:
        >>> with executing(Here()) as here:
        ...     chosen() is here
        True
    """
    before = _CHOSEN.set(executor)
    try:
        yield executor
    finally:
        _CHOSEN.reset(before)
