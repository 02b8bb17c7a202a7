"""Strata: models that can be compared, because they agree in training set size and in which large groups they had."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int, Int8, Int16, Shaped

from byrote.designs.whole_groups import LARGE, Units, units

#: A large group confounds the examples of a group that it is more than this many times larger than.
LARGER = 2.0
#: A design ties a large group to the others where models with an example have it this much less, or more, often.
TIED = 0.025


def strata(
    level: Float[np.ndarray, " model"],
    member: Int8[np.ndarray, "model example"],
    groups: Shaped[np.ndarray, " example"] | None = None,
) -> Int16[np.ndarray, "model example"]:
    """For each model and example the number of the stratum in which the model is compared with others.

    Two models are of one stratum of an example where they have the same `level` (the designed size of the training
    set) and the same ones of the large groups that confound the example: groups of more than 5 % of the examples,
    more than twice as large as the example's own group, which the design ties to the other examples. Halves of equal
    size do that: a model that has the large group has few of the others. Groups of about one size change places one
    for one, as single examples do, and are not conditioned on.

    Example:
        >>> member = np.array([[1, 1, 0, 0], [0, 0, 1, 1], [1, 0, 1, 0], [0, 1, 0, 1]], np.int8)
        >>> strata(np.array([0.5, 0.5, 0.5, 0.5]), member)[:, 0]
        array([0, 0, 0, 0], dtype=int16)
        >>> strata(np.array([0.1, 0.1, 0.9, 0.9]), member)[:, 0]
        array([0, 0, 1, 1], dtype=int16)
    """
    by_level = np.unique(level, return_inverse=True)[1].astype(np.int16)
    whole = np.broadcast_to(by_level[:, None], member.shape)
    if groups is None:
        return whole
    found = units(len(groups), groups, design="strata")
    large = tied_groups(member, found)
    if not len(large):
        return whole
    present = np.stack([member[:, np.argmax(found.of == group)] for group in large], axis=1)
    own = found.sizes[found.of]
    numbered = np.empty(member.shape, np.int16)
    for size in np.unique(own):
        confounds = found.sizes[large] > LARGER * size
        alike = np.column_stack([by_level, present[:, confounds]])
        numbered[:, own == size] = np.unique(alike, axis=0, return_inverse=True)[1].reshape(-1, 1)
    return numbered


def tied_groups(member: Int8[np.ndarray, "model example"], found: Units) -> Int[np.ndarray, " group"]:
    """The numbers of the large groups whose presence in a model goes with that of the other examples."""
    large = np.flatnonzero(found.sizes > LARGE * len(found.of))
    return np.array([group for group in large if abs(_tie(member, found.of == group)) > TIED], np.int64)


def _tie(member: np.ndarray, mine: Bool[np.ndarray, " example"]) -> float:
    """How much more often models with another example have the group than models without it, on average."""
    has = member[:, np.argmax(mine)] == 1
    inside, outside = (member[:, ~mine] == side for side in (1, 0))
    both = inside.any(0) & outside.any(0)
    if not both.any():
        return 0.0
    rates = [(side[:, both] & has[:, None]).sum(0) / side[:, both].sum(0) for side in (inside, outside)]
    return float((rates[0] - rates[1]).mean())


def large_group_notes(
    member: Int8[np.ndarray, "model example"], groups: Shaped[np.ndarray, " example"] | None
) -> tuple[str, ...]:
    """A sentence where the design ties large groups to smaller ones."""
    if groups is None:
        return ()
    found = units(len(groups), groups, design="strata")
    sizes = found.sizes[tied_groups(member, found)]
    if not len(sizes) or sizes.max() <= LARGER * found.sizes.min():
        return ()
    many = "1 group holds" if len(sizes) == 1 else f"{len(sizes)} groups hold"
    return (
        f"{many} more than 5 % of the examples (the largest {sizes.max() / len(groups):.0%}): examples of groups less "
        "than half as large are compared between models that agree in which of these they were trained on, which takes "
        "more models; what cannot be compared has no score and a reason.",
    )
