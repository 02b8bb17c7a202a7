"""Hints of designs are followed: each mends the case that brought it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import byrote
from byrote.data.corpus import corpus_from_texts
from byrote.designs.named import named_design
from byrote.engine.language import language_design
from followed import Case, each, follow
from small import blobs


def made(design: Callable[..., Any], *given: Any, **settings: Any) -> Callable[[Path], Any]:
    """A design of these sizes."""
    return lambda _: design(*given, rng=np.random.default_rng(0), **settings)


def named(name: str, models: int = 4, examples: int = 60) -> Callable[[Path], Any]:
    """A design by its name on the command line."""
    return lambda _: named_design(name, blobs(examples), models=models)


def of_texts(*texts: str, models: int = 4) -> Callable[[Path], Any]:
    """Who trains on which of these documents."""
    return lambda _: language_design(corpus_from_texts(texts), len(texts), models=models, full=0, seed=0)


FOUR = np.arange(4)

DESIGNS = (
    Case(name="no design", wrong=named("halves"), says="half-subset-pairs", right=named("half-subset-pairs")),
    Case(
        name="one model of subsets",
        wrong=made(byrote.iid_subsets, 8, 1),
        says="--models 64",
        right=made(byrote.iid_subsets, 8, 64),
    ),
    Case(
        name="a ratio of few examples",
        wrong=made(byrote.iid_subsets, 4, 6, ratio=0.1),
        says="ratio=0.5",
        right=made(byrote.iid_subsets, 4, 6, ratio=0.5),
    ),
    Case(
        name="a ratio beyond all",
        wrong=made(byrote.iid_subsets, 2, 6, ratio=1.5),
        says="ratio=0.5",
        right=made(byrote.iid_subsets, 2, 6, ratio=0.5),
    ),
    Case(
        name="a small ratio",
        wrong=made(byrote.iid_subsets, 4, 6, ratio=0.1),
        says="takes more examples",
        right=made(byrote.iid_subsets, 10, 6, ratio=0.1),
    ),
    Case(
        name="no ratio",
        wrong=made(byrote.ratio_grid, 12, 4, ratios=()),
        says="ratios=(0.1, 0.5, 0.9)",
        right=made(byrote.ratio_grid, 12, 4, ratios=(0.1, 0.5, 0.9)),
    ),
    Case(
        name="a grid of few examples",
        wrong=made(byrote.ratio_grid, 4, 4),
        says="takes more examples",
        right=made(byrote.ratio_grid, 10, 4),
    ),
    Case(
        name="halves of an odd number",
        wrong=made(byrote.half_subset_pairs, 8, 5),
        says="--models 6",
        right=made(byrote.half_subset_pairs, 8, 6),
    ),
    Case(
        name="few groups",
        wrong=made(byrote.half_subset_pairs, 8, 6, groups=np.arange(8) % 2),
        says="leave out the groups",
        right=made(byrote.half_subset_pairs, 8, 6),
    ),
    Case(
        name="documents that are copies",
        wrong=of_texts("one", "two", "two", "two"),
        says="documents that differ, or train one model on all: --models 1",
        right=of_texts("one", "two", "two", "two", models=1),
    ),
    Case(
        name="a large group",
        wrong=made(byrote.half_subset_pairs, 12, 6, groups=np.maximum(np.arange(12) - 6, 0)),
        says="split it",
        right=made(byrote.half_subset_pairs, 12, 6, groups=np.r_[np.arange(6) % 2 - 2, np.arange(6)]),
    ),
    Case(
        name="groups of other examples",
        wrong=made(byrote.half_subset_pairs, 8, 6, groups=np.arange(7)),
        says="gets a name of its own",
        right=made(byrote.half_subset_pairs, 8, 6, groups=np.arange(8)),
    ),
    Case(
        name="no models of coins",
        wrong=made(byrote.coins, 8, 0, canaries=FOUR),
        says="one model suffices",
        right=made(byrote.coins, 8, 1, canaries=FOUR),
    ),
    Case(
        name="canaries that are not there",
        wrong=made(byrote.coins, 8, 1, canaries=FOUR + 6),
        says="row numbers of the examples",
        right=made(byrote.coins, 8, 1, canaries=FOUR + 4),
    ),
    Case(
        name="a part of a group",
        wrong=made(byrote.coins, 8, 1, canaries=FOUR, groups=np.array([0, 1, 2, 3, 3, 4, 5, 6])),
        says="make all examples of a group canaries, or none",
        right=made(byrote.coins, 8, 1, canaries=np.arange(5), groups=np.array([0, 1, 2, 3, 3, 4, 5, 6])),
    ),
    Case(
        name="odd injections",
        wrong=made(byrote.inject, 40, 5, canaries=FOUR),
        says="6 models",
        right=made(byrote.inject, 40, 6, canaries=FOUR),
    ),
    Case(
        name="one injection",
        wrong=made(byrote.inject, 40, 1, canaries=FOUR),
        says="4 models",
        right=made(byrote.inject, 40, 4, canaries=FOUR),
    ),
    Case(
        name="numbers of repetitions",
        wrong=made(byrote.poison, 40, 4, canaries=np.arange(12), repetitions=(0, 4)),
        says="1, 4 and 16",
        right=made(byrote.poison, 40, 4, canaries=np.arange(12), repetitions=(1, 4, 16)),
    ),
    Case(
        name="canaries are all",
        wrong=made(byrote.inject, 8, 4, canaries=np.arange(8)),
        says="half of the canaries",
        right=made(byrote.inject, 8, 4, canaries=FOUR),
    ),
)


@each(*DESIGNS)
def test_hints_of_designs_are_followed(case, tmp_path):
    follow(case, tmp_path)
