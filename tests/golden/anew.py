"""What models say that are trained anew from a golden run's data; run as a program, it writes that down for all kinds.

    PYTHONPATH=src:tests python tests/golden/anew.py

Only for a change that is meant to alter what is trained; its commit says which, and why.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from byrote.cli.app import main
from byrote.runs.run import Run

HERE = Path(__file__).parent
MADE, SAID = HERE / "0.1.0", HERE / "anew.json"
#: Kinds whose models byrote trains, and what is looked at of each.
KINDS = {
    "groups": ("outputs.log_odds", "heldout.log_odds", "presentation.loss_sum", "trajectory.entropy"),
    "labels": ("outputs.log_odds", "heldout.log_odds", "presentation.loss_sum", "trajectory.entropy"),
    "regression": ("outputs.residual", "heldout.residual", "trajectory.residual"),
    "two_splits": ("outputs.log_odds", "presentation.loss_sum", "first_phase.correct", "trajectory.entropy"),
    "documents": ("tokens.log_probability", "tokens.rank", "document_trajectory.log_probability", "generations.token"),
}


def trained(kind: str) -> dict[str, Any]:
    """Sums over models of each quantity, and the models' sums, of a run that is trained in the current folder."""
    command = json.loads((MADE / kind / "facts.json").read_text("utf-8"))["command"]
    sys.argv = ["byrote", *command]
    try:
        main()
    except SystemExit as end:
        if end.code:
            raise
    run = Run.open("run")
    arrays = {name: np.asarray(run.load(name, range(run.design.models)), np.float64) for name in KINDS[kind]}
    return {name: {"by_model": _by_model(array), "in_all": _in_all(array)} for name, array in arrays.items()}


def _by_model(array: np.ndarray) -> list[float]:
    return [float(value) for value in np.nansum(array.reshape(len(array), -1), axis=1)]


def _in_all(array: np.ndarray) -> list[float]:
    """The sum over models of every number, where there are few of them, else of numbers that stand far apart."""
    summed = np.nansum(array, axis=0).ravel()
    return [float(value) for value in summed[:: max(1, len(summed) // 100)]]


def write() -> None:
    """Write what all kinds say."""
    found = {}
    for kind in KINDS:
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(MADE / kind, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("run"))
            os.chdir(folder)
            try:
                found[kind] = trained(kind)
            finally:
                os.chdir(HERE)
    SAID.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    write()
