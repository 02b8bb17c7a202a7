"""Independent random subsets of a fixed ratio."""

from __future__ import annotations

import numpy as np

from byrote.designs.design import Design, check_sizes, one_phase
from byrote.errors import BadInput


def iid_subsets(examples: int, models: int, *, ratio: float = 0.7, rng: np.random.Generator) -> Design:
    """Each model draws floor(ratio * examples) examples without replacement, independently of all others.

    Source: Feldman & Zhang 2020, arXiv:2008.03703, ratio .7.

    Example:
        >>> iid_subsets(10, 4, ratio=0.7, rng=np.random.default_rng(0)).member.sum(1)
        array([7, 7, 7, 7])
    """
    check_sizes("iid_subsets", examples, models, at_least=4)
    size = subset_size(ratio, examples)
    member = np.zeros((models, examples), np.uint8)
    for row in member:
        row[rng.choice(examples, size, replace=False)] = 1
    return one_phase("iid_subsets", member, ratio=ratio)


def subset_size(ratio: float, examples: int) -> int:
    """How many examples a share of the data comes to: at least one, and never all."""
    # 0.29 * 100 is 28.999…: the nudge keeps floor() from taking that for 28
    size = int(ratio * examples + 1e-9) if 0 < ratio < 1 else 0
    if not 0 < size < examples:
        raise BadInput(
            f"The 'ratio' argument must leave at least one of {examples} examples in and one out. Got {ratio}.",
            hint="a ratio between 0.1 and 0.9 serves.",
        )
    return size
