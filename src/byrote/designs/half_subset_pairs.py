"""Complementary pairs: one model trains on a random half, its mate on the other."""

from __future__ import annotations

import numpy as np

from byrote.designs.design import Design, check_sizes, one_phase
from byrote.errors import BadInput


def half_subset_pairs(examples: int, models: int, *, rng: np.random.Generator) -> Design:
    """Every example is in exactly one model of each pair, so that in and out are equally many.

    At an odd number of examples one of them sits out each pair; the examples take turns (in random order) at that.

    Example:
        >>> design = half_subset_pairs(5, 4, rng=np.random.default_rng(0))
        >>> design.member.sum(1), design.pair
        (array([2, 2, 2, 2]), array([0, 0, 1, 1]))
    """
    check_sizes("half_subset_pairs", examples, models, at_least=4)
    if models % 2:
        raise BadInput(f"Half-subset pairs take an even number of models. Got {models}.", hint=f"--models {models + 1}")
    half = examples // 2
    turns = rng.permutation(examples)
    member = np.zeros((models, examples), np.uint8)
    for pair in range(models // 2):
        order = rng.permutation(examples)
        if examples % 2:
            order = np.append(order[order != turns[pair % examples]], turns[pair % examples])
        member[2 * pair, order[:half]] = 1
        member[2 * pair + 1, order[half : 2 * half]] = 1
    return one_phase("half_subset_pairs", member, pair=np.arange(models) // 2)
