"""Canaries that are trained on for a while and then no more: INJECT and POISON."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int, UInt8

from byrote.designs.design import ROLES, Design, Phase, check_sizes
from byrote.errors import BadInput

#: The largest count that a phase can hold.
MOST_REPETITIONS = 255


def inject(
    examples: int,
    models: int,
    *,
    canaries: Int[np.ndarray, " canary"],
    repetitions: Sequence[int] = (1,),
    before: int | None = None,
    after: int | None = None,
    rng: np.random.Generator,
) -> Design:
    """Canaries join for a single epoch in the middle of a long training on everything else.

    Half of the canaries join in each model and the other half in its mate; the rest of the data is always in. A
    canary is shown as often in that epoch as `repetitions` says, which deals its numbers out at random. `before`
    and `after` are epochs without canaries; None takes the recipe's. Every phase has a schedule of its own.

    Source: Jagielski et al. 2023, arXiv:2207.00099 (INJECT).

    Example:
        >>> rng = np.random.default_rng(0)
        >>> design = inject(6, 4, canaries=np.array([4, 5]), repetitions=(3,), rng=rng)
        >>> [phase.count[:2].sum(1).tolist() for phase in design.phases]
        [[4, 4], [7, 7], [4, 4]]

    Raises:
        BadInput: canaries or numbers that do not fit.
    """
    clean, shown, pair = _counts("inject", examples, models, canaries, repetitions, rng)
    return Design(
        name="inject",
        phases=(
            Phase(name="before", count=clean, epochs=before),
            Phase(name="injection", count=clean + shown, epochs=1),
            Phase(name="after", count=clean, epochs=after),
        ),
        pair=pair,
        role=np.full(models, ROLES.index("reference"), np.int8),
        parameters={"canaries": len(canaries), "repetitions": list(repetitions), "before": before, "after": after},
    )


def poison(
    examples: int,
    models: int,
    *,
    canaries: Int[np.ndarray, " canary"],
    repetitions: Sequence[int] = (1,),
    prefix: int | None = None,
    after: int | None = None,
    rng: np.random.Generator,
) -> Design:
    """Canaries are among the data in a prefix of training, and then no more.

    As `inject`, but they are there from the first epoch on, for `prefix` epochs.

    Source: Jagielski et al. 2023, arXiv:2207.00099 (POISON).

    Example:
        >>> rng = np.random.default_rng(0)
        >>> design = poison(6, 4, canaries=np.array([4, 5]), prefix=2, after=8, rng=rng)
        >>> [(phase.epochs, phase.count[:2].sum(1).tolist()) for phase in design.phases]
        [(2, [5, 5]), (8, [4, 4])]

    Raises:
        BadInput: canaries or numbers that do not fit.
    """
    clean, shown, pair = _counts("poison", examples, models, canaries, repetitions, rng)
    return Design(
        name="poison",
        phases=(
            Phase(name="prefix", count=clean + shown, epochs=prefix),
            Phase(name="after", count=clean, epochs=after),
        ),
        pair=pair,
        role=np.full(models, ROLES.index("reference"), np.int8),
        parameters={"canaries": len(canaries), "repetitions": list(repetitions), "prefix": prefix, "after": after},
    )


def _counts(
    name: str,
    examples: int,
    models: int,
    canaries: np.ndarray,
    repetitions: Sequence[int],
    rng: np.random.Generator,
) -> tuple[UInt8[np.ndarray, "model example"], UInt8[np.ndarray, "model example"], np.ndarray]:
    """How often each model is shown the clean examples and the canaries, and the pairs."""
    check_sizes(name, examples, models, at_least=4)
    _check(name, examples, models, canaries, repetitions)
    clean = np.ones((models, examples), np.uint8)
    clean[:, canaries] = 0
    shown = np.zeros((models, examples), np.uint8)
    dealt = np.resize(np.asarray(repetitions), len(canaries))[rng.permutation(len(canaries))]
    for times in np.unique(dealt):
        rows = canaries[dealt == times]
        half = len(rows) // 2
        for first in range(0, models, 2):
            order = rng.permutation(rows)
            shown[first, order[:half]] = times
            shown[first + 1, order[half : 2 * half]] = times
    return clean, shown, np.arange(models, dtype=np.int64) // 2


def _check(name: str, examples: int, models: int, canaries: np.ndarray, repetitions: Sequence[int]) -> None:
    if models % 2:
        raise BadInput(
            f"{name} takes an even number of models. Got {models}.", hint=f"{max(4, models + 1)} models make pairs."
        )
    if not len(repetitions) or min(repetitions) < 1 or max(repetitions) > MOST_REPETITIONS:
        raise BadInput(
            f"The 'repetitions' argument of {name} must name numbers in [1, {MOST_REPETITIONS}]. "
            f"Got {list(repetitions)}.",
            hint="name how often canaries are shown, such as 1, 4 and 16.",
        )
    least = 2 * len(repetitions)
    distinct = len(np.unique(canaries)) == len(canaries)
    if not distinct or not least <= len(canaries) < examples or canaries.min() < 0 or canaries.max() >= examples:
        raise BadInput(
            f"The 'canaries' argument of {name} must name {least} or more different rows in [0, {examples}), and "
            f"not all of them. Got {len(canaries)} rows.",
            hint="half of the canaries of every number of repetitions join in each model.",
        )
