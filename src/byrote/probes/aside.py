"""Aside: what is independent of a model's training is done on the machine's other cores."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

import torch

Result = TypeVar("Result")
Asked = TypeVar("Asked")


def mapped(function: Callable[[Asked], Result], many: Iterable[Asked], *, cores: int) -> Iterator[Result]:
    """The answers in their order, found by so many threads of which each works on one core."""
    if cores == 1:
        yield from map(function, many)
        return
    with _team(cores) as pool:
        yield from pool.map(function, many)


class Aside:
    """Takes work to be done beside one's own; with a single core it is done at once."""

    def __init__(self, pool: ThreadPoolExecutor | None) -> None:
        self.pool = pool

    @property
    def beside(self) -> bool:
        """Whether work is done while one's own goes on."""
        return self.pool is not None

    def begin(self, work: Callable[[], Result]) -> Callable[[], Result]:
        """Begin the work; what is returned waits for its result."""
        if self.pool is None:
            result = work()
            return lambda: result
        future: Future[Result] = self.pool.submit(work)
        return future.result


@contextmanager
def aside(cores: int) -> Iterator[Aside]:
    """Room for work beside one's own on all cores but the first; what was not begun when the block ends is dropped."""
    if cores == 1:
        yield Aside(None)
        return
    pool = _team(cores - 1)
    try:
        yield Aside(pool)
    finally:
        pool.shutdown(cancel_futures=True)


def _team(threads: int) -> ThreadPoolExecutor:
    # how many threads torch uses is a matter of each thread
    return ThreadPoolExecutor(threads, initializer=partial(torch.set_num_threads, 1))
