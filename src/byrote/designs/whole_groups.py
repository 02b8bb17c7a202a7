"""Groups in designs: a model trains on all examples of a person or document, or on none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, Shaped

from byrote.errors import BadInput

#: A group of more than this share of the examples is large.
LARGE = 0.05


@dataclass(frozen=True, kw_only=True, eq=False)
class Units:
    """What a design draws: groups, or single examples where there are no groups. `of[example]` is each one's unit."""

    of: Int[np.ndarray, " example"]
    names: Shaped[np.ndarray, " unit"]
    sizes: Int[np.ndarray, " unit"]

    def __len__(self) -> int:
        return len(self.sizes)


def units(examples: int, groups: Shaped[np.ndarray, " member"] | None, *, design: str) -> Units:
    """The groups, in the order of their names; every example by itself without any.

    Example:
        >>> found = units(3, np.array(["b", "a", "b"]), design="coins")
        >>> found.of, found.sizes
        (array([1, 0, 1]), array([1, 2]))

    Raises:
        BadInput: not every example has a group.
    """
    if groups is None:
        one = np.arange(examples)
        return Units(of=one, names=one, sizes=np.ones(examples, np.int64))
    if len(groups) != examples:
        raise BadInput(
            f"The 'groups' argument of {design} must have {examples} entries. Got {len(groups)}.",
            hint="give each example the name of its group; an example that belongs to no group gets a name of its own.",
        )
    names, of, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    return Units(of=of, names=names, sizes=sizes)
