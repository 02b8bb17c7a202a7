"""Complementary pairs: one model trains on a random half, its mate on the other."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Bool, Int, Shaped

from byrote.designs.design import Design, check_sizes, one_phase
from byrote.designs.whole_groups import LARGE, Units, units
from byrote.errors import BadInput

#: The parameter that says how many large groups were drawn first.
LARGE_GROUPS = "large_groups"
#: Coins of large groups are tossed at most so often for a pair.
TOSSES = 200
#: Fewer groups than these make hardly any different halves.
LEAST_GROUPS = 4


def half_subset_pairs(
    examples: int,
    models: int,
    *,
    rng: np.random.Generator,
    groups: Shaped[np.ndarray, " example"] | None = None,
    large_first: bool = True,
) -> Design:
    """Every example is in exactly one model of each pair, so that in and out are equally many.

    At an odd number of examples one of them sits out each pair; the examples take turns (in random order) at that.
    With `groups[example]` a model trains on all examples of a person or document or on none: halves are then of
    whole groups, of equal size as far as their sizes allow, and nobody sits out. Groups of more than 5 % of the
    examples are drawn by coins first, so that the others can even the halves out; `large_first=False` deals out all
    groups in one order, as version 0.1.0 did: with a group of 40 % two halves in three are then of unequal size.

    Example:
        >>> design = half_subset_pairs(5, 4, rng=np.random.default_rng(0))
        >>> design.member.sum(1), design.pair
        (array([2, 2, 2, 2]), array([0, 0, 1, 1]))
    """
    check_sizes("half_subset_pairs", examples, models, at_least=4)
    if models % 2:
        raise BadInput(f"Half-subset pairs take an even number of models. Got {models}.", hint=f"--models {models + 1}")
    member = np.zeros((models, examples), np.uint8)
    if groups is None:
        _fill(member, rng)
        return one_phase("half_subset_pairs", member, pair=np.arange(models) // 2)
    found = units(examples, groups, design="half_subset_pairs")
    _refuse_unfit(examples, found)
    large = found.sizes > LARGE * examples if large_first else np.zeros(len(found), bool)
    for pair in range(models // 2):
        half = _half_of_groups(found.sizes, large, rng)
        member[2 * pair] = half[found.of]
        member[2 * pair + 1] = ~half[found.of]
    settings: dict[str, Any] = {"groups": len(found), **({LARGE_GROUPS: int(large.sum())} if large.any() else {})}
    return one_phase("half_subset_pairs", member, pair=np.arange(models) // 2, **settings)


def _fill(member: np.ndarray, rng: np.random.Generator) -> None:
    models, examples = member.shape
    half = examples // 2
    turns = rng.permutation(examples)
    for pair in range(models // 2):
        order = rng.permutation(examples)
        if examples % 2:
            order = np.append(order[order != turns[pair % examples]], turns[pair % examples])
        member[2 * pair, order[:half]] = 1
        member[2 * pair + 1, order[half : 2 * half]] = 1


def _half_of_groups(
    sizes: Int[np.ndarray, " group"], large: Bool[np.ndarray, " group"], rng: np.random.Generator
) -> Bool[np.ndarray, " group"]:
    """Groups of about half of the examples: each in random order to the smaller side, then the sides are made even.

    Large ones come first, see `_coins`. A fair coin says which side is the half, so that every group is in with
    probability 1/2.
    """
    sides = np.zeros(len(sizes), bool)
    if large.any():
        sides[large] = _coins(sizes[large], int(sizes[~large].sum()), rng)
    weight = [int(sizes[large & (sides == side)].sum()) for side in (0, 1)]
    order = rng.permutation(len(sizes))
    for group in order[~large[order]]:
        side = weight[1] < weight[0]
        sides[group] = side
        weight[side] += int(sizes[group])
    _even(sides, sizes, weight, rng)
    return sides if rng.random() < 0.5 else ~sides


def _coins(sizes: Int[np.ndarray, " large"], rest: int, rng: np.random.Generator) -> Bool[np.ndarray, " large"]:
    """Sides by fair coins, of many tosses the first whose difference the rest can even out, or comes closest to."""
    tosses = rng.random((TOSSES, len(sizes))) < 0.5
    excess = np.maximum(np.abs((2 * tosses.astype(np.int64) - 1) @ sizes) - rest, 0)
    first: np.ndarray = tosses[int(excess.argmin())]
    return first


def _even(sides: np.ndarray, sizes: np.ndarray, weight: list[int], rng: np.random.Generator) -> None:
    """Exchange the one group, or the two, that bring the sides closest to equal weight."""
    heavy = weight[1] > weight[0]
    excess = abs(weight[1] - weight[0])
    if excess < 2:
        return
    known = [np.append(np.unique(sizes[sides == side]), 0) for side in (heavy, not heavy)]
    moved = known[0][:, None] - known[1]
    after = np.where(moved > 0, np.abs(excess - 2 * moved), excess)
    best = np.unravel_index(int(after.argmin()), after.shape)
    if after[best] >= excess:
        return
    for side, size in ((heavy, known[0][best[0]]), (not heavy, known[1][best[1]])):
        if size:
            chosen = rng.choice(np.flatnonzero((sides == side) & (sizes == size)))
            sides[chosen] = not side


def _refuse_unfit(examples: int, found: Units) -> None:
    if len(found) < LEAST_GROUPS:
        raise BadInput(
            f"Half-subset pairs take at least {LEAST_GROUPS} groups, so that halves differ. Got {len(found)}.",
            hint="leave out the groups, or name a column that tells persons or documents apart.",
        )
    if 2 * found.sizes.max() > examples:
        largest, size = str(found.names[found.sizes.argmax()]), found.sizes.max()
        raise BadInput(
            f"The group {largest!r} holds {size} of {examples} examples, more than a half of the data can.",
            hint="split it, leave it out, or leave out the groups.",
        )
