"""A grid of inclusion ratios: the same number of models at each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Shaped

from byrote.designs.design import Design, check_sizes, one_phase
from byrote.designs.iid_subsets import subset_size
from byrote.designs.whole_groups import units
from byrote.errors import BadInput

TENTHS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


def ratio_grid(
    examples: int,
    models_per_ratio: int,
    *,
    ratios: Sequence[float] = TENTHS,
    rng: np.random.Generator,
    groups: Shaped[np.ndarray, " member"] | None = None,
) -> Design:
    """Random subsets at every ratio, the models of one ratio standing together.

    Each model leaves out those that fewest models of its ratio have left out, ties broken at random: 10 models at .9
    have a held-out answer for every example. With `groups[example]` ratios are shares of the groups, which are in or
    out whole.

    Source: Jiang et al. 2021, arXiv:2002.03206 (consistency profiles over training set sizes).

    Differs:
        The source draws the subsets independently, so that a share ratio^models_per_ratio of the examples is in every
        model of a ratio: at .9 it takes 44 models to have a held-out answer for 99 %.

    Example:
        >>> ratio_grid(10, 4, ratios=(0.2, 0.5), rng=np.random.default_rng(0)).member.sum(1)
        array([2, 2, 2, 2, 5, 5, 5, 5])
    """
    check_sizes("ratio_grid", examples, models_per_ratio, at_least=4)
    if not ratios:
        raise BadInput(
            "The 'ratios' argument of ratio_grid must name at least one ratio.",
            hint="ratios=(0.1, 0.5, 0.9), or leave it out.",
        )
    found = units(examples, groups, design="ratio_grid")
    sizes = [subset_size(ratio, len(found), of="examples" if groups is None else "groups") for ratio in ratios]
    chosen = np.ones((len(ratios), models_per_ratio, len(found)), np.uint8)
    for size, models in zip(sizes, chosen, strict=True):
        times_left_out = np.zeros(len(found), np.int64)
        for row in models:
            left_out = np.lexsort((rng.random(len(found)), times_left_out))[: len(found) - size]
            row[left_out] = 0
            times_left_out[left_out] += 1
    settings: dict[str, Any] = {"ratios": list(ratios), "models_per_ratio": models_per_ratio}
    settings |= {} if groups is None else {"groups": len(found)}
    return one_phase("ratio_grid", chosen.reshape(-1, len(found))[:, found.of], **settings)
