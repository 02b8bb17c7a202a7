"""A grid of inclusion ratios: the same number of models at each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from byrote.designs.design import Design, check_sizes, one_phase
from byrote.designs.iid_subsets import subset_size
from byrote.errors import BadInput

TENTHS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


def ratio_grid(
    examples: int, models_per_ratio: int, *, ratios: Sequence[float] = TENTHS, rng: np.random.Generator
) -> Design:
    """Independent subsets at every ratio, the models of one ratio standing together.

    A share ratio^models_per_ratio of the examples is in every model of a ratio and has no held-out answer there:
    at .9 it takes 22 models to leave 10 % and 44 to leave 1 %.

    Source: Jiang et al. 2021, arXiv:2002.03206 (consistency profiles over training set sizes).

    Example:
        >>> ratio_grid(10, 4, ratios=(0.2, 0.5), rng=np.random.default_rng(0)).member.sum(1)
        array([2, 2, 2, 2, 5, 5, 5, 5])
    """
    check_sizes("ratio_grid", examples, models_per_ratio, at_least=4)
    if not ratios:
        raise BadInput("The 'ratios' argument of ratio_grid must name at least one ratio.")
    member = np.zeros((len(ratios) * models_per_ratio, examples), np.uint8)
    for index, row in enumerate(member):
        row[rng.choice(examples, subset_size(ratios[index // models_per_ratio], examples), replace=False)] = 1
    return one_phase("ratio_grid", member, ratios=list(ratios), models_per_ratio=models_per_ratio)
