"""Coins: canaries join by a fair coin each, everything else is always in."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int, Shaped

from byrote.designs.design import Design, one_phase
from byrote.designs.whole_groups import units
from byrote.errors import BadInput


def coins(
    examples: int,
    models: int,
    *,
    canaries: Int[np.ndarray, " canary"],
    rng: np.random.Generator,
    groups: Shaped[np.ndarray, " member"] | None = None,
) -> Design:
    """Independent Bernoulli(1/2) membership of the canaries in every model, as a one-run privacy audit needs it.

    "Exactly half" would make the coins dependent, and the audit's bound would not hold. With `groups[example]` a coin
    is tossed for each group, all of whose examples must be canaries.

    Source: Steinke et al. 2023, arXiv:2305.08846.

    Example:
        >>> member = coins(6, 1, canaries=np.array([4, 5]), rng=np.random.default_rng(0)).member
        >>> member[0, :4]
        array([1, 1, 1, 1], dtype=int8)
    """
    if models < 1:
        raise BadInput(
            f"The 'models' argument of coins must be at least 1. Got {models}.",
            hint="one model suffices: the canaries are what is many.",
        )
    if len(canaries) == 0 or canaries.min() < 0 or canaries.max() >= examples:
        raise BadInput(
            f"The 'canaries' argument of coins must name rows in [0, {examples}). Got {len(canaries)} rows.",
            hint="pass the row numbers of the examples that may or may not join.",
        )
    member = np.ones((models, examples), np.uint8)
    if groups is None:
        member[:, canaries] = rng.integers(0, 2, (models, len(canaries)), dtype=np.uint8)
        return one_phase("coins", member, role="target", canaries=len(canaries))
    found = units(examples, groups, design="coins")
    tossed, index = np.unique(found.of[canaries], return_inverse=True)
    outside = np.setdiff1d(np.flatnonzero(np.isin(found.of, tossed)), canaries)
    if len(outside):
        name = str(found.names[found.of[outside[0]]])
        raise BadInput(
            f"The group {name!r} has canaries and other examples, and a coin would train a model on a part of it.",
            hint="make all examples of a group canaries, or none.",
        )
    member[:, canaries] = rng.integers(0, 2, (models, len(tossed)), dtype=np.uint8)[:, index]
    return one_phase("coins", member, role="target", canaries=len(canaries), groups=len(tossed))
