"""What a node of a Ray cluster does with a block, and the desk on the driver's machine that it talks to."""

from __future__ import annotations

import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from byrote.engine.executors import REPORT_SECONDS, Movable, keep_memory, trained, unpacked
from byrote.engine.job import Block
from byrote.errors import BadInput, ByroteError, WorkerFailed
from byrote.evidence.shards import write_bytes

#: What must be equal on all machines, or models are not the same.
EQUAL = ("byrote", "torch", "numpy")


class Desk:
    """Stands on the driver's machine: hears how far blocks are, and hands out the files of the run that they read."""

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)
        self.shares: dict[tuple[int, ...], float] = {}

    def hear(self, models: tuple[int, ...], share: float) -> None:
        """A block is done to that share."""
        self.shares[models] = share

    def forget(self, models: tuple[int, ...]) -> None:
        """A block begins anew."""
        self.shares.pop(models, None)

    def heard(self) -> dict[tuple[int, ...], float]:
        """How far each block is."""
        return self.shares

    def file(self, name: str) -> np.ndarray:
        """The bytes of one file."""
        return np.frombuffer((self.folder / name).read_bytes(), np.uint8)


def made_with() -> dict[str, str]:
    """What must be equal on all machines: versions by package, apart from what they were built for."""
    return {name: version(name).partition("+")[0] for name in EQUAL} | {
        "python": ".".join(platform.python_version_tuple()[:2])
    }


def train_there(
    payload: tuple[bytes, list[np.ndarray]],
    block: Block,
    folder: str,
    token: str,
    desk: Any,
    reads: list[str],
    wanted: dict[str, str],
) -> dict[str, Any]:
    """The task: train a block on this node, into the run's folder if it is seen here, else hand back its files."""
    torch.set_num_threads(1)
    keep_memory()
    try:
        _refuse_unequal(wanted)
        job = _rebuilt(payload)
        with _place(Path(folder), token, desk, reads) as (place, given):
            there = job.moved(place)
            diverged = trained(there, block, _telling(desk, block))
            files = _made(place, there.makes(block), given)
    except ByroteError as error:
        return {"error": error, "diverged": [], "files": {}}
    return {"error": None, "diverged": diverged, "files": files}


def _refuse_unequal(wanted: dict[str, str]) -> None:
    found = made_with()
    for name, one in wanted.items():
        if found[name] != one:
            raise BadInput(
                f"The node {platform.node()!r} has {name} {found[name]}, and the command runs with {one}.",
                hint=f"install {name} {one} on every node: models of other versions would not be the same.",
            )


def _rebuilt(payload: tuple[bytes, list[np.ndarray]]) -> Movable:
    try:
        job = unpacked(*payload)
    except WorkerFailed as error:
        raise BadInput(
            f"On the node {platform.node()!r}: {error.message}",
            hint="install the modules of the recipe on every node, and put inputs that stay in a file on a path that "
            "all nodes see.",
        ) from error
    assert isinstance(job, Movable)
    return job


@contextmanager
def _place(folder: Path, token: str, desk: Any, reads: list[str]) -> Iterator[tuple[Path, frozenset[str] | None]]:
    """Where a block leaves its files: the run's folder, or one of this node alone with the files that it reads."""
    seal = folder / f".{token}.part"
    if seal.is_file() and seal.read_text() == token:
        yield folder, None
        return
    import ray

    with tempfile.TemporaryDirectory(prefix="byrote-") as made:
        place = Path(made) / folder.name
        for name in reads:
            write_bytes(place / name, ray.get(desk.file.remote(name)).tobytes())
        yield place, frozenset(reads)


def _made(place: Path, paths: list[Path], given: frozenset[str] | None) -> dict[str, np.ndarray | None]:
    """The files of a block by their names; of a place that is not the run's their bytes, but for those `given`."""
    found = {str(path.relative_to(place)): path for path in paths}
    if given is None:
        return dict.fromkeys(found)
    return {name: np.frombuffer(path.read_bytes(), np.uint8) for name, path in found.items() if name not in given}


def _telling(desk: Any, block: Block) -> Callable[[float], None]:
    """Tells the desk how far a block is, now and then; the first word says that it has begun."""
    last = time.monotonic()
    desk.hear.remote(block.models, 0.0)

    def tell(share: float) -> None:
        nonlocal last
        if time.monotonic() - last > REPORT_SECONDS:
            last = time.monotonic()
            desk.hear.remote(block.models, share)

    return tell
