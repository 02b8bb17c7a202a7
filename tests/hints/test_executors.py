"""Hints of executors are followed: each mends the case that brought it. Ray is a stand-in."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import byrote
from byrote.cli.executing import trains_in_parts
from byrote.engine import ray_cluster, ray_node
from byrote.engine.completion import PartDone
from byrote.engine.executing import executing
from byrote.engine.part import part
from byrote.engine.ray_cluster import RayCluster, on_ray
from byrote.evidence.shards import write_bytes
from engine.test_executors import Notes
from engine.test_ray_cluster import NodeDiedError, RaySystemError, StandIn, blocks
from engine.toys import job
from followed import Case, each, follow
from small import RECIPE, blobs

QUICK = dataclasses.replace(RECIPE, epochs=1)


def command(**where: Any) -> Callable[[Path], Any]:
    """A command that trains nothing, on an executor."""
    return lambda _folder: trains_in_parts(lambda: None)(**where)


def in_part(text: str, **settings: Any) -> Callable[[Path], Any]:
    """A part of a quick audit."""
    how = {"models": 4, "full": 0, "workers": 1, "progress": False, "checkpoints": 2, "device": "cpu"} | settings

    def audit(folder: Path) -> Any:
        try:
            with executing(part(text)):
                return byrote.audit(blobs(30), QUICK, out=folder / "run", **how)
        except PartDone as done:
            return done

    return audit


def divided(folder: Path) -> None:
    """Part 0, and then the part that could not be trained."""
    in_part("0/40")(folder)
    in_part("1/40")(folder)


def connected(address: str | None, fails: Exception | None = None) -> Callable[[Path], Any]:
    """A connection to a cluster that answers, or does not."""

    def connect(_folder: Path) -> None:
        ray = StandIn()
        ray.is_initialized = lambda: False  # type: ignore[method-assign]

        def init(**_settings: Any) -> None:
            if fails is not None:
                raise fails

        ray.init, ray.shutdown = init, lambda: None  # type: ignore[attr-defined]
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(sys.modules, "ray", ray)  # type: ignore[arg-type]
            with on_ray(address):
                pass

    return connect


def without_ray(_folder: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "ray", None)  # type: ignore[arg-type]
        ray_cluster._ray()


def sent(*fails: Exception, cores: float = 2.0, patched: tuple[Any, str, Any] | None = None) -> Callable[[Path], Any]:
    """Blocks sent to a cluster whose first tasks fail so."""

    def send(folder: Path) -> None:
        given = job(folder / f"of-{len(list(folder.iterdir()))}")
        with pytest.MonkeyPatch.context() as patch:
            if patched is not None:
                patch.setattr(*patched)
            RayCluster(StandIn(fails=[*fails], cores=cores)).run(given, blocks(given)[:1], 1, Notes())

    return send


def seen(there: bool) -> Callable[[Path], Any]:
    """A file of a node, which reaches this machine or does not."""

    def look(folder: Path) -> None:
        if there:
            write_bytes(folder / "outputs" / "a", b"")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ray_cluster, "SEEN_SECONDS", 0.0)
            ray_cluster._refuse_unseen(folder / "outputs" / "a")

    return look


OTHER = (ray_cluster, "made_with", lambda: ray_node.made_with() | {"torch": "1.0"})
BROKEN = (ray_cluster, "packed", lambda _job: (b"no pickle", []))
LOST = NodeDiedError("its node is gone")


@each(
    Case(
        name="another executor",
        wrong=command(executor="spark"),
        says="the executors are local and ray",
        right=command(executor="local"),
    ),
    Case(
        name="an address of nothing",
        wrong=command(address="10.0.0.1:6379"),
        says="--executor ray goes with it",
        right=connected("10.0.0.1:6379"),
    ),
    Case(
        name="a part on a cluster",
        wrong=command(part="1/4", executor="ray"),
        says="leave out --part",
        right=command(part="1/4"),
    ),
    Case(name="no part", wrong=command(part="3"), says="--part 1/40 to --part 40/40", right=command(part="1/40")),
    Case(name="not divided", wrong=in_part("1/40"), says="as --part 0/40, divides it", right=divided, slow=True),
    Case(
        name="parts of an audit that stops by itself",
        wrong=in_part("0/40", models=None, stderr=0.2),
        says="leave out --part, or --stderr and --budget",
        right=in_part("0/40"),
        slow=True,
    ),
    Case(
        name="ray is not installed",
        wrong=without_ray,
        says="pip install 'byrote[ray]'",
        right=connected(None),
    ),
    Case(
        name="an address of the client",
        wrong=connected("ray://10.0.0.1:10001"),
        says="name it as HOST:PORT",
        right=connected("10.0.0.1:6379"),
    ),
    Case(
        name="no cluster",
        wrong=connected(None, ConnectionError("none")),
        says="`ray start --head` begins one",
        right=connected(None),
    ),
    Case(name="no processors", wrong=sent(cores=0), says="`ray start --address=HOST:PORT`", right=sent()),
    Case(
        name="a node without byrote",
        wrong=sent(RaySystemError("No module named 'byrote'")),
        says="install the same versions",
        right=sent(),
    ),
    Case(name="other versions", wrong=sent(patched=OTHER), says="on every node", right=sent()),
    Case(name="a module is missing", wrong=sent(patched=BROKEN), says="on every node", right=sent()),
    Case(name="lost", wrong=sent(LOST, LOST, LOST), says="`ray start --num-cpus`", right=sent(LOST)),
    Case(name="not seen", wrong=seen(False), says="check the shared file system", right=seen(True)),
)
def test_hints_of_executors_are_followed(case: Case, tmp_path: Path) -> None:
    follow(case, tmp_path)


def test_the_stand_in_has_what_ray_has() -> None:
    """Where Ray is installed: the names that the executor uses are Ray's."""
    ray = pytest.importorskip("ray", reason="needs the extra ray")
    for name in ("is_initialized", "init", "shutdown", "cluster_resources", "get_runtime_context", "put", "remote"):
        assert callable(getattr(ray, name))
    assert {"RayError", "RayTaskError", "RaySystemError"} <= vars(ray.exceptions).keys()
    assert isinstance(StandIn.exceptions, SimpleNamespace)
