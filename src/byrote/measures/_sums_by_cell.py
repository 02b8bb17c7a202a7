"""Sums over the models of each part, stratum and side, from which sums without a part follow."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from byrote.measures._strata import Member, chosen_by_cell, names_of


class Sums(NamedTuple):
    """How many models there are, and the sums of some quantities over them."""

    models: Int[np.ndarray, "part stratum side example"]
    sums: Float[np.ndarray, "quantity part stratum side example"]

    @property
    def whole(self) -> Sums:
        """Those of all parts, as one."""
        return Sums(self.models.sum(0, keepdims=True), self.sums.sum(1, keepdims=True))

    @property
    def without_each(self) -> Sums:
        """Those of all parts but each one."""
        return Sums(self.models.sum(0) - self.models, self.sums.sum(1, keepdims=True) - self.sums)


def sums_by_cell(
    rows: Iterable[Float[np.ndarray, "quantity example"]],
    member: Member,
    stratum: Int[np.ndarray, "model example"],
    part: Int[np.ndarray, " model"] | None = None,
    *,
    quantities: int,
) -> Sums:
    """Add up rows, one a model, by the part of the models, the stratum and the side that an example has in each.

    Example:
        >>> rows, member = np.array([[[2.0, 3.0]], [[4.0, 5.0]]]), np.array([[1, 0], [0, 0]], np.int8)
        >>> found = sums_by_cell(iter(rows), member, np.zeros((2, 2), np.int16), quantities=1)
        >>> found.models[0, 0].tolist(), found.sums[0, 0, 0].tolist()
        ([[1, 2], [1, 0]], [[4.0, 8.0], [2.0, 0.0]])
    """
    parts = 1 if part is None else int(part.max(initial=-1)) + 1
    count = np.zeros((parts, len(names_of(stratum)), 2, member.shape[1]), np.int64)
    sums = np.zeros((quantities, *count.shape))
    for row, (model, cells) in zip(rows, chosen_by_cell(member, stratum), strict=True):
        own = 0 if part is None else int(part[model])
        for (place, side), chosen in cells:
            count[own, place, side] += chosen
            sums[:, own, place, side] += np.where(chosen, row, 0.0)
    return Sums(count, sums)
