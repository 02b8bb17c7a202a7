"""A Ray cluster on loopback alone that loses a worker, a node and a driver; `test_ray_for_real.py` runs this program.

    unshare --net sh -c 'ip link set lo up; python a_cluster.py FOLDER'

It prints one JSON document. The nodes do not see FOLDER/apart, as those of a cluster without a shared path.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import numpy as np
import ray
import torch
from ray.cluster_utils import Cluster

sys.path.insert(0, str(Path(__file__).parents[1]))

import byrote
from byrote.designs.half_subset_pairs import half_subset_pairs
from byrote.engine.executors import run_here
from byrote.engine.job import Block, blocks_of
from byrote.engine.ray_cluster import RayCluster, on_ray
from byrote.recipes.networks.network import Network
from engine.toys import contents, data, job, recipe

HEALTH = {"health_check_period_ms": 1000, "health_check_timeout_ms": 20000}
#: Ray gives a node half a minute to begin, which a busy machine may exceed; so many are begun before that is an error.
BEGINNINGS = 5


class Slow(torch.nn.Module):
    """Leaves the number of its process, and takes its time."""

    def __init__(self, folder: str) -> None:
        super().__init__()
        Path(folder, f"{os.getpid()}").touch()
        self.linear = torch.nn.Linear(6, 3)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        time.sleep(0.02)
        return self.linear(inputs)


def of(folder: Path, pids: Path) -> Any:
    """Eight models of a network that takes about two seconds each."""
    design = half_subset_pairs(40, 8, rng=np.random.default_rng(0))
    return job(folder, slow(pids), data=data(), design=design, checkpoints=(0, 6), keep_weights=True)


def slow(pids: Path) -> Any:
    """The recipe of such models."""
    pids.mkdir(exist_ok=True)
    return recipe(Network(lambda: Slow(str(pids))), epochs=6)


def audit(out: Path, pids: Path, address: str = "") -> byrote.Run:
    """An audit of them, in pairs; on the cluster, or where no address is given here."""
    given, pairs = data(), [vars(Block(models=(first, first + 1), stacked=False)) for first in (0, 2, 4, 6)]
    executor = {"blocks": pairs, "reason": "pairs", "seconds_a_model": 1.0, "device": "cpu", "threads": 1}
    how = {
        "models": 8,
        "full": 0,
        "checkpoints": 2,
        "keep_weights": True,
        "workers": 1,
        "device": "cpu",
        "executor": executor,
    }
    with on_ray(address) if address else nullcontext():
        return byrote.audit(byrote.from_arrays(given.inputs, given.targets), slow(pids), out=out, **how)


def blocks(given: Any) -> Any:
    return blocks_of(given.design, 2, stacked=False, compiled=False)


class Notes:
    """Remembers what it hears, and once does something when a block is under way."""

    def __init__(self, does: Any = None) -> None:
        self.heard: list[list[Any]] = []
        self.does = does

    def advanced(self, block: Any, share: float) -> None:
        if share > 0 and self.does is not None:
            does, self.does = self.does, None
            does()

    def finished(self, block: Any, diverged: list[int]) -> None:
        self.heard.append(["finished", block.models])

    def retried(self, block: Any, exit_code: int | None) -> None:
        self.heard.append(["lost", block.models])


class Node:
    """A node with one processor that has an empty folder where the driver has `hidden`."""

    def __init__(self, address: str, hidden: Path) -> None:
        start = [
            sys.executable,
            "-m",
            "ray.scripts.scripts",
            "start",
            "--block",
            "--num-cpus=1",
            f"--address={address}",
        ]
        mounted = 'mount -t tmpfs none "$0" && exec "$@"'
        command = ["unshare", "--mount", "sh", "-c", mounted, str(hidden), *start]
        known, left = alive(), BEGINNINGS
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not alive() - known:
            time.sleep(0.2)
            if self.process.poll() is not None:
                left -= 1
                assert left, "the node did not start"
                self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kill(self) -> None:
        """All of its processes, at once and without a word."""
        for pid in [*below(self.process.pid), self.process.pid]:
            os.kill(pid, signal.SIGKILL)
        self.process.wait()


def alive() -> set[str]:
    """The nodes that the cluster has."""
    return {node["NodeID"] for node in ray.nodes() if node["Alive"]}


def below(pid: int) -> list[int]:
    """The processes that a process began, and those began."""
    children = [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [*(grandchild for child in children for grandchild in below(child)), *children]


def kill_worker(pids: Path) -> None:
    """The process that began a model last."""
    newest = max(pids.iterdir(), key=lambda path: path.stat().st_mtime)
    os.kill(int(newest.name), signal.SIGKILL)


def killed_and_resumed(folder: Path, address: str) -> dict[str, Any]:
    """A driver that is killed once some evidence is there, and begun again; the same here; and models that are read."""
    out, pids = folder / "shared" / "audit", folder / "pids"
    driver = [sys.executable, __file__, str(out), str(pids), address]
    first = subprocess.Popen(driver, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while first.poll() is None and len(list(out.glob("evidence/outputs/m*"))) < 2:
        time.sleep(0.1)
    killed = first.poll() is None
    first.kill()
    first.communicate()
    kept = {path.name: path.stat().st_mtime_ns for path in out.glob("evidence/outputs/m*")}
    again = subprocess.run(driver, capture_output=True, text=True, check=False)
    after = {path.name: path.stat().st_mtime_ns for path in out.glob("evidence/outputs/m*")}
    local = audit(folder / "audit-here", pids)
    equal = contents(local.folder / "evidence") == contents(out / "evidence")
    read = audit(folder / "apart" / "audit", pids, address)
    with on_ray(address):
        byrote.probe(read, "gradient_norm")
    byrote.probe(local, "gradient_norm")
    return {
        "killed": killed,
        "kept": len(kept),
        "untouched": sum(after[name] == at for name, at in kept.items()),
        "models": len(after),
        "equal": equal,
        "read": contents(local.folder / "evidence") == contents(read.folder / "evidence"),
        "said": again.stderr[-2000:],
    }


def begun(head: dict[str, Any]) -> Any:
    """A cluster of a head alone."""
    for _ in range(BEGINNINGS):
        with suppress(Exception):  # what Ray raises where the time is up is no more than that
            return Cluster(initialize_head=True, head_node_args=head)
    raise AssertionError("the head did not start")


def main(folder: Path) -> dict[str, Any]:
    """Everything, and what came of it."""
    apart, shared = folder / "apart", folder / "shared"
    apart.mkdir(parents=True)
    shared.mkdir()
    here = of(folder / "here", folder / "pids-here")
    run_here(here, blocks(here), Notes())
    expected = contents(folder / "here")
    head = {"num_cpus": 0, "include_dashboard": False, "_system_config": HEALTH}
    cluster = begun(head)
    found: dict[str, Any] = {"expected": len(expected)}
    with on_ray(cluster.address):
        nodes = [Node(cluster.address, apart) for _ in range(2)]
        executor = RayCluster(ray)
        found["places"] = executor.places("cpu")
        pids = folder / "pids"
        for name, place, does in (
            ("worker", shared / "worker", lambda: kill_worker(pids)),
            ("node", apart / "node", nodes[0].kill),
        ):
            given, notes = of(place, pids), Notes(does)
            executor.run(given, blocks(given), 1, notes)
            found[name] = {"heard": notes.heard, "equal": contents(place) == expected, "files": len(contents(place))}
        nodes[0] = Node(cluster.address, apart)
        given, notes = of(apart / "joined", pids), Notes()
        executor.run(given, blocks(given), 1, notes)
        found["joined"] = {"equal": contents(apart / "joined") == expected, "places": executor.places("cpu")}
        found["driver"] = killed_and_resumed(folder, cluster.address)
        for node in nodes:
            node.kill()
    cluster.shutdown()
    return found


if __name__ == "__main__":
    if len(sys.argv) > 2:
        audit(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
    else:
        print(json.dumps(main(Path(sys.argv[1]))))
