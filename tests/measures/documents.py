"""Documents for tests of extraction."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np


class Documents(NamedTuple):
    """Random hits of random documents; the first token of each is not scored where `first` is False."""

    hit: np.ndarray
    offsets: np.ndarray
    scored: np.ndarray
    member: np.ndarray


def random_documents(
    seed: int, *, models: int = 4, examples: int = 9, longest: int = 12, rate: float = 0.8
) -> Documents:
    rng = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(rng.integers(1, longest + 1, examples))]).astype(np.int64)
    scored = np.ones(offsets[-1], bool)
    if seed % 2:
        scored[offsets[:-1]] = False
    hit = (rng.random((models, offsets[-1])) < rate) & scored
    member = rng.integers(-1, 2, (models, examples)).astype(np.int8)
    return Documents(hit, offsets, scored, member)


def spans(offsets: np.ndarray) -> list[slice]:
    return [slice(int(a), int(b)) for a, b in itertools.pairwise(offsets)]
