"""How often models were right on an example, of those trained on it and of the others, by parts of the models."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int


@dataclass(frozen=True, kw_only=True, eq=False)
class Rates:
    """Right answers and models by part; side 1 are the models trained on an example, side 0 the others."""

    right: Int[np.ndarray, "part side example"]
    models: Int[np.ndarray, "part side example"]

    def of(self, chosen: Bool[np.ndarray, " part"]) -> Rates:
        """The chosen parts laid together as one."""
        return Rates(right=self.right[chosen].sum(0)[None], models=self.models[chosen].sum(0)[None])

    @property
    def difference(self) -> Float[np.ndarray, "part example"]:
        """Label memorization by part: the rate of side 1 minus that of side 0; NaN where a side is empty."""
        rate = self.right / np.where(self.models, self.models, np.nan)
        difference: np.ndarray = rate[:, 1] - rate[:, 0]
        return difference


def rates(
    correct: Iterable[Bool[np.ndarray, " example"]],
    member: Int[np.ndarray, "model example"],
    part: Int[np.ndarray, " model"],
) -> Rates:
    """Count the answers of the models, which come one after another.

    Example:
        >>> answers, member = np.array([[1, 1], [0, 1]], bool), np.array([[1, 0], [0, 1]])
        >>> rates(answers, member, np.array([0, 0])).difference
        array([[1., 0.]])
    """
    right = np.zeros((int(part.max(initial=-1)) + 1, 2, member.shape[1]), np.int32)
    models = np.zeros_like(right)
    for answers, membership, own in zip(correct, member, part, strict=True):
        for side in (0, 1):
            chosen = membership == side
            models[own, side] += chosen
            right[own, side] += answers & chosen
    return Rates(right=right, models=models)
