"""Runs that many tests read, each made once in a process; a test gets a copy of its own."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from byrote.runs.run import Run
from documents import small_language_audit
from small import small_audit

WEIGHTS = {"keep_weights_at": "0,last", "checkpoints": 2, "probes": ("gradient_norm",)}
MAKERS: dict[str, Callable[[Path], Any]] = {
    "classes": small_audit,
    "weights": lambda out: small_audit(out, models=4, full=0, **WEIGHTS),
    "documents": small_language_audit,
}


@cache
def _made(kind: str) -> Path:
    place = Path(tempfile.mkdtemp(prefix="byrote-once-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    MAKERS[kind](place / "run")
    return place / "run"


def copied(kind: str, folder: Path, name: str = "run") -> Path:
    """A copy of a small run in the folder."""
    return Path(shutil.copytree(_made(kind), folder / name))


def opened(kind: str, folder: Path, name: str = "run") -> Run:
    """The same, open."""
    return Run.open(copied(kind, folder, name))
