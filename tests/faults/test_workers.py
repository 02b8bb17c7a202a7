"""A worker that hangs: it is stopped, the block tried again, and named where that does not help."""

from __future__ import annotations

import os
import signal
from multiprocessing import active_children
from pathlib import Path

import pytest

from byrote.engine.executors import ATTEMPTS, run_here, run_pool
from byrote.engine.job import blocks_of
from byrote.errors import WorkerFailed
from engine.toys import contents, job


class Freezing:
    """Stops the worker, as a debugger would, once it has begun; as often as told."""

    def __init__(self, times: int) -> None:
        self.times = times
        self.codes: list[int | None] = []

    def advanced(self, block: object, share: float) -> None:
        if self.times:
            self.times -= 1
            (worker,) = active_children()
            assert worker.pid is not None
            os.kill(worker.pid, signal.SIGSTOP)

    def finished(self, block: object, diverged: list[int]) -> None: ...

    def retried(self, block: object, exit_code: int | None) -> None:
        self.codes.append(exit_code)


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("byrote.engine.executors.PATIENCE", 20.0)


@pytest.mark.slow
@pytest.mark.usefixtures("_impatient")
def test_a_worker_that_hangs_is_replaced(tmp_path: Path) -> None:
    frozen, quiet = job(tmp_path / "frozen"), job(tmp_path / "quiet")
    blocks = blocks_of(frozen.design, 3, stacked=True, compiled=False)
    listener = Freezing(1)
    run_pool(frozen, blocks, 1, listener)
    assert listener.codes == [-signal.SIGKILL]
    run_here(quiet, blocks, Freezing(0))
    assert contents(tmp_path / "frozen") == contents(tmp_path / "quiet")
    assert not active_children()


@pytest.mark.slow
@pytest.mark.usefixtures("_impatient")
def test_a_block_that_always_hangs_is_named(tmp_path: Path) -> None:
    given = job(tmp_path)
    with pytest.raises(WorkerFailed, match=rf"trained models 0-5 ended {ATTEMPTS} times without a result"):
        run_pool(given, blocks_of(given.design, 6, stacked=True, compiled=False), 1, Freezing(ATTEMPTS))
    assert not active_children()
