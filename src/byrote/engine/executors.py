"""Executors: blocks trained in this process, or in a pool of persistent processes of one thread each."""

from __future__ import annotations

import ctypes
import multiprocessing
import pickle
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import ModuleType
from typing import Protocol, Self, runtime_checkable

import cloudpickle
import numpy as np
import torch

from byrote.engine.job import Block
from byrote.engine.threads import one_thread
from byrote.errors import ByroteError, WorkerFailed

#: A process that dies while it trains a block is replaced, and the block tried again, this often.
ATTEMPTS = 3
REPORT_SECONDS = 0.2
#: A process that trains and says nothing for so long hangs, unless its own words have come a tenth as seldom before.
PATIENCE = 1800.0


@runtime_checkable
class Trains(Protocol):
    """A job: what every process that takes part must have to train a block and to write its evidence."""

    def train(self, block: Block, progress: Callable[[float], None]) -> list[int]:
        """Train a block and write what is missing of its evidence; returns the models that diverged."""
        ...


@runtime_checkable
class Movable(Trains, Protocol):
    """A job that can do its work in another folder, as on a machine that does not see the run's."""

    @property
    def folder(self) -> Path: ...

    @property
    def device(self) -> str: ...

    def moved(self, folder: Path) -> Self:
        """The same job, with its evidence in another folder."""
        ...

    def reads(self, block: Block) -> list[Path]:
        """The files that a block takes from the job's folder, if there are any."""
        ...

    def makes(self, block: Block) -> list[Path]:
        """The files that are there once a block is done."""
        ...


@runtime_checkable
class Listener(Protocol):
    """Hears how the training goes."""

    def advanced(self, block: Block, share: float) -> None: ...

    def finished(self, block: Block, diverged: list[int]) -> None: ...

    def retried(self, block: Block, exit_code: int | None) -> None: ...


def run_here(job: Trains, blocks: Sequence[Block], listener: Listener) -> None:
    """Train the blocks one after another in this process, on one thread."""
    with one_thread():
        for block in blocks:
            listener.finished(block, trained(job, block, partial(listener.advanced, block)))


def run_pool(job: Trains, blocks: Sequence[Block], workers: int, listener: Listener) -> None:
    """Train the blocks in `workers` processes.

    Raises:
        WorkerFailed: a block's process died `ATTEMPTS` times, or its training raised; what is done stays on disk.
    """
    payload = cloudpickle.dumps(job)
    waiting = list(blocks)[::-1]
    attempts: dict[tuple[int, ...], int] = {}
    team = [_Worker(payload) for _ in range(min(workers, len(blocks)))]
    try:
        while waiting or any(worker.block for worker in team):
            for worker in team:
                if worker.block is None and waiting:
                    worker.give(waiting.pop())
            busy = [worker for worker in team if worker.block]
            ready = wait([worker.pipe for worker in busy] + [worker.process.sentinel for worker in busy], PATIENCE / 10)
            for worker in busy:
                block = worker.block
                assert block is not None
                if worker.pipe in ready and worker.pipe.poll():
                    try:
                        what, content = worker.pipe.recv()
                    except (EOFError, ConnectionResetError):
                        what, content = "died", None
                elif worker.process.sentinel in ready and not worker.pipe.poll():
                    what, content = "died", None
                elif worker.hangs():
                    worker.process.kill()
                    what, content = "died", None
                else:
                    continue
                worker.heard()
                if what == "advanced":
                    listener.advanced(block, content)
                elif what == "finished":
                    worker.block = None
                    if waiting:  # it goes on while the listener looks at what is there
                        worker.give(waiting.pop())
                    listener.finished(block, content)
                elif what == "raised":
                    raise content
                else:
                    worker.process.join()
                    attempts[block.models] = attempts.get(block.models, 0) + 1
                    if attempts[block.models] >= ATTEMPTS:
                        raise WorkerFailed(
                            f"The process that trained models {span(block)} ended {ATTEMPTS} times without a result, "
                            f"last with exit code {worker.process.exitcode}.",
                            hint="-9 often means too little memory: use fewer --workers. What is finished is kept; the "
                            "same command goes on from there.",
                        )
                    listener.retried(block, worker.process.exitcode)
                    team[team.index(worker)] = _Worker(payload)
                    waiting.append(block)
    finally:
        for worker in team:
            worker.end()


def span(block: Block) -> str:
    """The models of a block, as a sentence names them."""
    return str(block.models[0]) if len(block.models) == 1 else f"{block.models[0]}-{block.models[-1]}"


class _Worker:
    """A process and the block it trains."""

    def __init__(self, payload: bytes) -> None:
        # spawn: a forked child would inherit torch's threads in whatever state they are
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs,), daemon=True)
        with _no_main():
            self.process.start()
        theirs.close()
        self.block: Block | None = None
        self._payload: bytes | None = payload
        self._last = time.monotonic()
        self._slowest = 0.0

    def heard(self) -> None:
        """Note that it said something."""
        now = time.monotonic()
        self._slowest, self._last = max(self._slowest, now - self._last), now

    def hangs(self) -> bool:
        """Whether it has said nothing for far too long."""
        return time.monotonic() - self._last > max(PATIENCE, 10 * self._slowest)

    def give(self, block: Block) -> None:
        self._last = time.monotonic()
        try:
            if self._payload is not None:
                self.pipe.send_bytes(self._payload)
                self._payload = None
            self.pipe.send(block)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it died while idle; the sentinel tells so at the next wait, and the block is tried again
        self.block = block

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()


@contextmanager
def _no_main() -> Iterator[None]:
    """Keep a starting process from running the user's script again: all it needs of it arrives with the job."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _work(pipe: Connection) -> None:
    """What a worker does: take the job, then blocks, until its parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what Ctrl-C means
    torch.set_num_threads(1)
    keep_memory()
    started = last = 0.0

    def progress(share: float) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last > max(
            REPORT_SECONDS, (now - started) / 100
        ):  # a pipe that nobody reads during a look never fills
            last = now
            pipe.send(("advanced", share))

    try:
        payload = pipe.recv_bytes()
        try:
            job = unpacked(payload)
            while True:
                block: Block = pipe.recv()
                started = time.monotonic()
                pipe.send(("finished", trained(job, block, progress)))
        except ByroteError as error:
            pipe.send(("raised", error))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the parent is gone


def packed(job: Trains) -> tuple[bytes, list[np.ndarray]]:
    """A job for other machines: its pickle, and apart from it the bytes of its large arrays, which need no copy."""
    buffers: list[np.ndarray] = []

    def aside(buffer: pickle.PickleBuffer) -> None:
        buffers.append(np.frombuffer(buffer.raw(), np.uint8))

    return cloudpickle.dumps(job, protocol=5, buffer_callback=aside), buffers


def unpacked(payload: bytes, buffers: Sequence[np.ndarray] = ()) -> Trains:
    """The job, in a process that takes part.

    Raises:
        WorkerFailed: something of it cannot be rebuilt there.
    """
    try:
        job: Trains = cloudpickle.loads(payload, buffers=buffers)  # from the process that leads, never from disk
    except Exception as error:  # a user's module that the worker cannot import, say
        raise WorkerFailed(
            f"A training process could not rebuild the recipe and dataset: {type(error).__name__}: {error}.",
            hint="train in this process with --workers 1, or define them in a module that can be imported.",
        ) from error
    return job


def trained(job: Trains, block: Block, progress: Callable[[float], None]) -> list[int]:
    """Train a block; what a user's network or dataset raises becomes a sentence.

    Raises:
        WorkerFailed: it raised.
    """
    try:
        return job.train(block, progress)
    except (ByroteError, BrokenPipeError, ConnectionResetError):
        raise
    except Exception as error:  # whatever a user's network or dataset raises must reach the user as a sentence
        frame = traceback.extract_tb(error.__traceback__)[-1]
        raise WorkerFailed(
            f"Training models {span(block)} raised {type(error).__name__}: {error}.",
            hint=f"it happened in {frame.name}, line {frame.lineno} of {frame.filename}; what is finished is kept.",
        ) from error


def keep_memory() -> None:
    """Tell glibc to keep large blocks for reuse instead of asking the kernel for each temporary anew."""
    if sys.platform.startswith("linux"):
        mallopt: Callable[[int, int], int] | None = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:  # another C library has no such switch
            trim_threshold, mmap_threshold = -1, -3
            mallopt(mmap_threshold, 32 * 2**20)
            mallopt(trim_threshold, 2**30)
