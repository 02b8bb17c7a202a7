"""Made-up ensembles for tests of attacks, and scores' plain reading."""

from __future__ import annotations

import numpy as np

from byrote.stats.ranking import auroc
from measures.evidence import half_subset_pairs


def gaussian(
    rng: np.random.Generator, models: int, examples: int, *, gap: float, shift: float = 0.0, spread: float = 0.0
):
    """Log-odds of complementary pairs: members `gap` standard deviations higher, models and examples scattered."""
    member, pair = half_subset_pairs(rng, models, examples)
    size = np.exp(spread * rng.normal(size=examples))
    noise = rng.normal(size=member.shape) * size
    place = rng.normal(0, 2, examples) + shift * rng.normal(size=(models, 1))
    return place + noise + gap * size * (member == 1), member, pair


def area(scores: np.ndarray, member: np.ndarray) -> float:
    """AUC of scores pooled over targets."""
    known = ~np.isnan(scores) & (member >= 0)
    return auroc(scores[known], member[known] == 1)


def references_of(target: int, pair: np.ndarray) -> list[int]:
    """All models but the target and its mate, in a plain loop."""
    return [k for k in range(len(pair)) if k != target and (pair[k] < 0 or pair[k] != pair[target])]


def untidy(rng: np.random.Generator, pairs: int, examples: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs in any order that have an example in one mate, in none, or nobody knows where."""
    kinds = np.array([(0, 1), (1, 0), (0, 1), (1, 0), (0, 0), (-1, 0), (1, -1)], np.int8)
    member = kinds[rng.integers(len(kinds), size=(pairs, examples))].transpose(0, 2, 1).reshape(2 * pairs, examples)
    order = rng.permutation(2 * pairs)
    return member[order], (np.arange(2 * pairs) // 2)[order]
