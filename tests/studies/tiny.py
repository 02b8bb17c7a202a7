"""A few hundred points that a small network fits to the last wrong label, to run a study on within a second."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import byrote
from byrote.data.dataset import Dataset
from byrote.recipes.schedules import Constant
from byrote.runs.run import Run
from byrote.stats.verdicts import Verdict
from byrote.studies.bench import Bench, Material
from byrote.studies.catalog import find_study

RECIPE = byrote.Recipe(
    network=byrote.MLP(hidden=(32, 16)),
    epochs=8,
    batch_size=30,
    optimizer=byrote.SGD(lr=0.1, momentum=0.9),
    schedule=Constant(),
)


def points(examples: int = 180, *, inputs: int = 12) -> Dataset:
    """Three classes in many dimensions, so that one wrong label can be learned without the others."""
    rng = np.random.default_rng(0)
    targets = np.arange(examples) % 3
    means = 1.5 * np.eye(3, inputs)[targets]
    drawn = (rng.normal(size=(examples, inputs)) + means).astype(np.float32)
    return byrote.from_arrays(drawn, targets, name="points", class_names=("a", "b", "c"))


def bench_of(claim: str, folder: Path, *, units: int = 3, recipe: Any = RECIPE, data: Dataset | None = None) -> Bench:
    """The bench of a study on these points."""
    study = find_study(claim)
    return Bench(
        workers=1,
        progress=False,
        material=Material(dataset=data or points(), recipe=recipe, source="points.py"),
        units=units,
        seed=study.seed,
        margin=study.margin,
        folder=folder,
    )


def tried(claim: str, folder: Path, **settings: Any) -> Verdict:
    """What a study says of these points, its arms left out: `test_catalog` tries those."""
    return find_study(claim).function(bench_of(claim, folder, **settings))


def losing(monkeypatch: pytest.MonkeyPatch, gone: dict[str, int]) -> None:
    """As if this model had diverged in the run of each of these names."""
    there = Run.models

    def models(run: Run, role: str = "reference") -> np.ndarray:
        return np.setdiff1d(there(run, role), [gone.get(run.folder.name, -1)])

    monkeypatch.setattr(Run, "models", models)
