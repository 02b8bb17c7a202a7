"""Scores of persons or documents from those of their examples."""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Float, Int, Int8

from byrote.errors import BadInput


def by_group(
    scores: Float[np.ndarray, "model example"], group: Int[np.ndarray, " example"], how: Literal["sum", "mean"]
) -> Float[np.ndarray, "model group"]:
    """Sum or mean of the defined scores of each group, `group[example]` from 0; NaN where none is defined.

    Example:
        >>> by_group(np.array([[1.0, 2.0, np.nan]]), np.array([0, 0, 1]), "sum")
        array([[ 3., nan]])
    """
    count = int(group.max(initial=-1)) + 1
    known = ~np.isnan(scores)
    total, number = np.empty((len(scores), count)), np.empty((len(scores), count))
    for row, (values, defined) in enumerate(zip(scores, known, strict=True)):
        total[row] = np.bincount(group, np.where(defined, values, 0.0), minlength=count)
        number[row] = np.bincount(group, defined, minlength=count)
    whole = np.where(number > 0, total, np.nan)
    return whole / np.maximum(number, 1) if how == "mean" else whole


def member_groups(
    member: Int8[np.ndarray, "model example"], group: Int[np.ndarray, " example"]
) -> Int8[np.ndarray, "model group"]:
    """Membership of whole groups; -1 of a group with an example of which nobody knows.

    Raises:
        BadInput: a model was trained on a part of one.
    """
    counts = {side: np.stack([np.bincount(group, row == side) for row in member]) for side in (1, 0)}
    known = counts[1] + counts[0] == np.bincount(group)
    whole = np.where(known, counts[1] > 0, -1).astype(np.int8)
    split = ((counts[1] > 0) & (counts[0] > 0)).any(1)
    if split.any():
        raise BadInput(
            f"{split.sum()} of {len(member)} models were trained on a part of a group, and groups are in or out whole.",
            hint="audit with the groups, as --group COLUMN; every design then keeps them together.",
        )
    return whole
