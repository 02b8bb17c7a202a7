"""A Ray cluster as executor: blocks are tasks on its nodes, and leave what they would leave here.

A task is a block of models. What it makes is named by what it is about, so that a block which is done twice, as after a
lost node, leaves the same files. A node that sees the run's folder writes there. From any other the files come back
through Ray's object store. The data goes once to each node.
"""

from __future__ import annotations

import os
import secrets
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from byrote.engine.executing import executing
from byrote.engine.executors import ATTEMPTS, PATIENCE, Listener, Movable, packed, span
from byrote.engine.job import Block
from byrote.engine.ray_node import Desk, made_with, train_there
from byrote.errors import BadInput, WorkerFailed
from byrote.evidence.shards import write_bytes

#: The driver looks so often after what is done, and waits so long for files that a node wrote.
LOOK_SECONDS, SEEN_SECONDS = 0.5, 120.0


@contextmanager
def on_ray(address: str | None = None, *, most: int | None = None) -> Iterator[None]:
    """Train on a Ray cluster whatever is trained until the block ends: audits, changes, procedures, studies, probes.

    Args:
        address: of the cluster's head, as "10.0.0.1:6379"; None takes the cluster that this machine belongs to.
        most: train at most so many blocks at once; as many as the cluster has processors unless given.

    Raises:
        BadInput: Ray is not installed, there is no cluster, or this machine does not belong to it.

    Example:
        with byrote.on_ray("10.0.0.1:6379"):
            run = byrote.audit(dataset, recipe, models=256)
    """
    ray = _ray()
    mine = not ray.is_initialized()
    if mine:
        _connect(ray, address)
    try:
        with executing(RayCluster(ray, most)):
            yield
    finally:
        if mine:
            ray.shutdown()


def _ray() -> Any:
    """The package; byrote says itself what is lost and tried again, so that Ray's own account is left out."""
    if "ray" not in sys.modules:
        os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise BadInput("Training on a cluster needs the package ray.", hint="pip install 'byrote[ray]'.") from error
    return ray


def _connect(ray: Any, address: str | None) -> None:
    if address is not None and "://" in address:
        raise BadInput(
            f"The address {address!r} is one of Ray's client, and byrote must run on a machine of the cluster.",
            hint="log in to one, or send the command there by `ray job submit`, and name it as HOST:PORT.",
        )
    try:
        # never without an address: Ray would open ports of this machine to begin a cluster of its own
        ray.init(address=address or "auto", log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        where = "on this machine" if address is None else f"at {address!r}"
        raise BadInput(
            f"No Ray cluster answers {where}.",
            hint="`ray status` shows the cluster; `ray start --head` begins one on this machine, at 127.0.0.1:6379.",
        ) from error


@dataclass(frozen=True)
class RayCluster:
    """Trains blocks on a cluster's nodes, at most `most` at once; `ray` is the connected package."""

    ray: Any
    most: int | None = None
    whole: bool = True
    alone: bool = True

    def places(self, device: str) -> int:
        """As many as the cluster has processors, or GPUs, now."""
        found = self.ray.cluster_resources().get("CPU" if device == "cpu" else "GPU", 0)
        return self.most or max(1, int(found))

    def beside(self, workers: int) -> int:
        """One: what this process itself needs."""
        return 1

    def share(self, blocks: Sequence[Block]) -> list[Block]:
        """All of them."""
        return list(blocks)

    def run(self, job: Movable, blocks: Sequence[Block], workers: int, listener: Listener) -> None:
        """Train the blocks on whatever nodes there are; those that join later take part.

        Raises:
            WorkerFailed: a block was lost `ATTEMPTS` times, or its training raised; what is done stays.
        """
        self._refuse_empty(job.device)
        with _seal(job.folder) as token:
            errand = _Errand(self.ray, job, token, listener)
            try:
                errand.run(blocks, self.most or len(blocks))
            finally:
                errand.end()

    def _refuse_empty(self, device: str) -> None:
        what = "CPU" if device == "cpu" else "GPU"
        if not self.ray.cluster_resources().get(what):
            raise BadInput(
                f"The Ray cluster has no {what} to train on.",
                hint="`ray start --address=HOST:PORT` on another machine makes it a node, whose processors train.",
            )


@contextmanager
def _seal(folder: Path) -> Iterator[str]:
    """A file with words that nobody can guess, by which a node knows the folder as the driver's; swept if left."""
    token = secrets.token_hex(16)
    path = folder / f".{token}.part"
    write_bytes(path, token.encode())
    try:
        yield token
    finally:
        path.unlink(missing_ok=True)


@dataclass
class _Sent:
    """A block that a node has, or waits for one; when it was last heard of, and how far it is."""

    block: Block
    heard: float = field(default_factory=time.monotonic)
    share: float = -1.0
    slowest: float = 0.0

    def hears(self, share: float) -> bool:
        """Take note of how far it is; whether that is news."""
        if share <= self.share:
            return False
        now = time.monotonic()
        self.slowest = max(self.slowest, now - self.heard if self.share >= 0 else 0.0)
        self.share, self.heard = share, now
        return True

    def hangs(self) -> bool:
        """Whether it has begun, and said nothing for far too long."""
        return self.share >= 0 and time.monotonic() - self.heard > max(PATIENCE, 10 * self.slowest)


class _Errand:
    """One job's blocks on their way to the nodes and back."""

    def __init__(self, ray: Any, job: Movable, token: str, listener: Listener) -> None:
        self.ray, self.job, self.listener, self.token = ray, job, listener, token
        gpus = 0 if job.device == "cpu" else 1
        self.task = ray.remote(num_cpus=1, num_gpus=gpus, max_retries=0)(train_there)
        here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            ray.get_runtime_context().get_node_id(), soft=False
        )
        desk = ray.remote(num_cpus=0, scheduling_strategy=here)(Desk)
        self.desk = desk.remote(str(job.folder.resolve()))
        payload, buffers = packed(job)
        self.payload = ray.put((payload, buffers))
        self.sent: dict[Any, _Sent] = {}
        self.lost: dict[tuple[int, ...], int] = {}

    def run(self, blocks: Sequence[Block], most: int) -> None:
        waiting = list(blocks)[::-1]
        while waiting or self.sent:
            while waiting and len(self.sent) < most:
                self._send(waiting.pop())
            ready, _ = self.ray.wait([*self.sent], num_returns=1, timeout=LOOK_SECONDS)
            self._listen()
            for task in ready:
                block = self.sent.pop(task).block
                if not self._received(block, task):
                    waiting.append(block)

    def end(self) -> None:
        """Stop what is still on its way."""
        for task in self.sent:
            self.ray.cancel(task, force=True)
        self.ray.kill(self.desk)

    def _send(self, block: Block) -> None:
        reads = [str(path.relative_to(self.job.folder)) for path in self.job.reads(block)]
        folder = str(self.job.folder.resolve())
        task = self.task.remote(self.payload, block, folder, self.token, self.desk, reads, made_with())
        self.sent[task] = _Sent(block)

    def _listen(self) -> None:
        """Hear how far the blocks are, and give up those that hang."""
        shares = self.ray.get(self.desk.heard.remote())
        for task, one in self.sent.items():
            if one.block.models in shares and one.hears(shares[one.block.models]):
                self.listener.advanced(one.block, max(one.share, 0.0))
            elif one.hangs():
                self.ray.cancel(task, force=True)

    def _received(self, block: Block, task: Any) -> bool:
        """Take what a block left; False where it was lost and must be sent again.

        Raises:
            ByroteError: its training raised, or it was lost too often.
        """
        try:
            came = self.ray.get(task)
        except self.ray.exceptions.RayError as error:
            self._count_lost(block, error)
            return False
        if came["error"] is not None:
            raise came["error"]
        for name, content in came["files"].items():
            path = self.job.folder / name
            if content is None:
                _refuse_unseen(path)
            elif not path.exists():
                write_bytes(path, content.tobytes())
        self.listener.finished(block, came["diverged"])
        return True

    def _count_lost(self, block: Block, error: Exception) -> None:
        self.lost[block.models] = self.lost.get(block.models, 0) + 1
        why = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        if isinstance(error, self.ray.exceptions.RaySystemError | self.ray.exceptions.RayTaskError):
            raise WorkerFailed(
                f"A node of the cluster cannot train models {span(block)}: {_last_line(error)}",
                hint="install the same versions of byrote and its packages on every node.",
            ) from error
        if self.lost[block.models] >= ATTEMPTS:
            raise WorkerFailed(
                f"Models {span(block)} were lost {ATTEMPTS} times without a result, last because: {why}",
                hint="a node with too little memory kills what it trains: let fewer blocks train at once on it, with "
                "`ray start --num-cpus`. What is finished is kept; the same command goes on from there.",
            ) from error
        self.desk.forget.remote(block.models)
        self.listener.retried(block, None)


def _last_line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1].strip() if lines else type(error).__name__


def _refuse_unseen(path: Path) -> None:
    """Wait until a file that a node wrote is seen here, as network file systems show new files late.

    Raises:
        WorkerFailed: it is not.
    """
    until = time.monotonic() + SEEN_SECONDS
    while not (path.parent.is_dir() and path.name in os.listdir(path.parent)):
        if time.monotonic() > until:
            raise WorkerFailed(
                f"A node wrote {str(path)!r}, and this machine does not see it.",
                hint="check the shared file system; what is finished is kept, and the same command goes on from there.",
            )
        time.sleep(LOOK_SECONDS)
