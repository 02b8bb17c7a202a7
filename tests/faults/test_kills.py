"""An audit that is killed at any moment goes on by the same command, to the same bytes."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from small import shards

EXPERIMENT = """
import numpy as np
from torch import nn
import byrote


def network():
    return nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(64, 3))


def dataset():
    rng = np.random.default_rng(0)
    targets = np.arange(240) % 3
    inputs = rng.normal(size=(240, 20)) + 2 * np.eye(3, 20)[targets]
    return byrote.from_arrays(inputs.astype("float32"), targets, name="mine", class_names=("a", "b", "c"))


def recipe():
    return byrote.Recipe(network=byrote.Network(network), epochs=25, batch_size=8, optimizer=byrote.SGD(lr=0.05))
"""
COMMAND = [sys.executable, "-m", "byrote.cli.app", "audit", "mine.py", "--models", "8", "--out"]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """A folder with an experiment, its audit, and how many seconds that took."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "mine.py").write_text(EXPERIMENT)
    started = time.monotonic()
    run(folder, "whole")
    return folder, time.monotonic() - started


def run(folder: Path, name: str) -> None:
    """Audit into a folder of this name, in one process so that the choice of blocks is its own."""
    done = subprocess.run([*COMMAND, name, "--workers", "1"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def kill_and_resume(folder: Path, name: str, seconds: float) -> None:
    """Kill the audit, and whatever it started, after so many seconds; then run the same command."""
    process = subprocess.Popen(
        [*COMMAND, name, "--workers", "1"],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    run(folder, name)


def judge(project: tuple[Path, float], seconds: float) -> None:
    """Torch's own dropout is never stacked, so that both audits divide the models alike, whatever the probe times."""
    folder, _ = project
    shutil.rmtree(folder / "killed", ignore_errors=True)
    kill_and_resume(folder, "killed", seconds)
    assert shards(folder / "killed") == shards(folder / "whole"), f"killed after {seconds:.2f} seconds"


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.5, 0.8])
def test_a_killed_audit_resumes_to_the_same_bytes(project: tuple[Path, float], share: float) -> None:
    judge(project, share * project[1])


@pytest.mark.slow
@pytest.mark.parametrize("moment", range(20))
def test_killed_at_a_random_moment(project: tuple[Path, float], moment: int) -> None:
    judge(project, random.Random(moment).uniform(0.2, 1.05) * project[1])
