"""Two splits: train on one half, then go on with the other."""

from __future__ import annotations

import numpy as np
from jaxtyping import Shaped

from byrote.designs.design import ROLES, Design, Phase, check_sizes
from byrote.designs.half_subset_pairs import half_subset_pairs


def two_splits(
    examples: int,
    models: int,
    *,
    epochs: int | None = None,
    rng: np.random.Generator,
    groups: Shaped[np.ndarray, " member"] | None = None,
    large_first: bool = True,
) -> Design:
    """A first phase on half A and a second on half B; the mate of each model goes the other way round.

    `epochs` is the length of the second phase; None takes the recipe's. Each phase has its own schedule, and its own
    checkpoints from 0 on; as many checkpoints as epochs and one more time forgetting to the epoch. With
    `groups[example]` a group is in one of the halves, whole; `large_first` is as for `half_subset_pairs`.

    Source: Maini et al. 2022, arXiv:2210.15031 (second-split forgetting).

    Example:
        >>> first, second = two_splits(6, 4, rng=np.random.default_rng(0)).phases
        >>> bool((first.count + second.count == 1).all()), bool((first.count[0] == second.count[1]).all())
        (True, True)
    """
    check_sizes("two_splits", examples, models, at_least=4)
    halves = half_subset_pairs(examples, models, rng=rng, groups=groups, large_first=large_first)
    first = halves.phases[0].count
    mate = np.arange(models) ^ 1
    return Design(
        name="two_splits",
        phases=(
            Phase(name="first split", count=first),
            Phase(name="second split", count=first[mate], epochs=epochs),
        ),
        pair=halves.pair,
        role=np.full(models, ROLES.index("reference"), np.int8),
        parameters={"second_epochs": epochs, **halves.parameters},
    )
