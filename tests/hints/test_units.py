"""Hints about units of networks are followed: each mends the case that brought it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import byrote
from byrote.analyses.catalog import ask
from byrote.designs.full_data import full_data
from byrote.engine.afterwards import probe
from byrote.probes.registry import made
from followed import Case, each, follow
from small import RECIPE, blobs, small_audit


def setting(text: str) -> Callable[[Path], Any]:
    """A probe with a setting."""
    return lambda _: made(text, after=True)


def run_of(folder: Path, examples: int = 160, **settings: Any) -> Any:
    """A small run that kept its last weights, with more and more wrong labels the larger it is."""
    hidden = settings.pop("hidden", (16,))
    recipe = dataclasses.replace(RECIPE, network=byrote.MLP(hidden=hidden), epochs=2)
    how = {"models": 4, "full": 0, "heldout": None, "keep_weights_at": "last", **settings}
    name = f"{examples}-{len(hidden)}-{how['models']}"
    return small_audit(folder / name, dataset=blobs(examples, noise=0.4), recipe=recipe, **how)


def taken_apart(name: str, **settings: Any) -> Callable[[Path], Any]:
    """A probe of a small run after its training."""
    return lambda folder: probe(run_of(folder, **settings), name)


DISSOCIATION = (
    Case(
        name="no random units",
        wrong=setting("dissociation,draws=0"),
        says="dissociation,draws=20",
        right=setting("dissociation,draws=20"),
    ),
    Case(
        name="no such control",
        wrong=setting("dissociation,group=noise"),
        says="label_noise",
        right=setting("dissociation,group=label_noise"),
    ),
    Case(
        name="few planted",
        wrong=taken_apart("dissociation,draws=1", examples=60),
        says="--plant label-noise=0.1",
        right=taken_apart("dissociation,draws=1"),
        slow=True,
    ),
    Case(
        name="one layer",
        wrong=taken_apart("dissociation,draws=1", hidden=()),
        says="byrote.MLP(hidden=(64,))",
        right=taken_apart("dissociation,draws=1", hidden=(64,)),
        slow=True,
    ),
    Case(
        name="nothing silenced",
        wrong=lambda folder: ask(run_of(folder), "dissociation"),
        says="byrote probe RUN dissociation",
        right=lambda folder: ask(probe(run_of(folder), "dissociation,draws=1"), "dissociation"),
        slow=True,
    ),
)


@each(*DISSOCIATION)
def test_hints_of_dissociation_are_followed(case: Case, tmp_path: Path) -> None:
    follow(case, tmp_path)


PATHS = (
    Case(
        name="no top",
        wrong=setting("unit_paths,top=0"),
        says="unit_paths,top=10",
        right=setting("unit_paths,top=10"),
    ),
    Case(
        name="no others",
        wrong=setting("unit_paths,draws=0"),
        says="unit_paths,draws=4",
        right=setting("unit_paths,draws=4"),
    ),
    Case(
        name="one network",
        wrong=taken_apart("unit_paths", models=None, full=None, design=full_data(160, 1)),
        says="at least 4 models",
        right=taken_apart("unit_paths"),
        slow=True,
    ),
    Case(
        name="nothing matched",
        wrong=lambda folder: ask(run_of(folder), "unit_paths"),
        says="byrote probe RUN unit_paths",
        right=lambda folder: ask(probe(run_of(folder), "unit_paths"), "unit_paths"),
        slow=True,
    ),
)


@each(*PATHS)
def test_hints_of_paths_are_followed(case: Case, tmp_path: Path) -> None:
    follow(case, tmp_path)
