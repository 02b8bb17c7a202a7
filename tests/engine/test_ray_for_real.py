"""A cluster of a head and two nodes, on loopback alone, loses a worker, a node and a driver: no bit is lost by that."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).with_name("a_cluster.py")
#: A network that has nothing but loopback: Ray binds to the address by which others reach a machine.
ALONE = ("unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$0" "$@"')


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    if importlib.util.find_spec("ray") is None:
        pytest.skip("needs the extra ray")
    if subprocess.run([*ALONE, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no network of its own can be made here")
    folder = tmp_path_factory.mktemp("cluster")
    with tempfile.TemporaryDirectory(prefix="r") as ray:  # names of sockets must be short
        done = subprocess.run(
            [*ALONE, sys.executable, str(PROGRAM), str(folder)],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"RAY_TMPDIR": ray},
            timeout=560,
        )
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.slow
def test_a_killed_worker_costs_a_block(found: dict[str, Any]) -> None:
    worker = found["worker"]
    assert found["places"] == 2
    assert found["expected"] == worker["files"] == 8 * 4
    assert worker["equal"], "byte for byte what this machine leaves, on a shared path"
    assert [what for what, _ in worker["heard"]].count("lost") == 1
    assert [what for what, _ in worker["heard"]].count("finished") == 4


@pytest.mark.slow
def test_a_killed_node_does_no_harm_where_there_is_no_shared_path(found: dict[str, Any]) -> None:
    node = found["node"]
    assert node["equal"], "byte for byte, brought back through the object store"
    assert sorted(models for what, models in node["heard"] if what == "finished") == [[0, 1], [2, 3], [4, 5], [6, 7]]


@pytest.mark.slow
def test_a_node_that_joins_takes_part(found: dict[str, Any]) -> None:
    assert found["joined"] == {"equal": True, "places": 2}


@pytest.mark.slow
def test_a_killed_driver_goes_on_where_it_was(found: dict[str, Any]) -> None:
    driver = found["driver"]
    assert driver["killed"], "the driver was killed while blocks were being trained"
    assert 2 <= driver["kept"] == driver["untouched"] < driver["models"] == 8, driver["said"]
    assert f"{driver['kept']} of 8 models are " in " ".join(driver["said"].split())
    assert driver["equal"], "byte for byte what this machine leaves"


@pytest.mark.slow
def test_weights_are_sent_to_nodes_that_read_them(found: dict[str, Any]) -> None:
    assert found["driver"]["read"], "byte for byte what this machine finds"
