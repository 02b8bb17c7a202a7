"""How often models were right on an example, of those trained on it and of the others, by parts of the models."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from byrote.stats.contrasts import contrast, weights


@dataclass(frozen=True, kw_only=True, eq=False)
class Rates:
    """Right answers and models by part and stratum; side 1 are the models trained on an example, side 0 the others."""

    right: Int[np.ndarray, "part stratum side example"]
    models: Int[np.ndarray, "part stratum side example"]

    def of(self, chosen: Bool[np.ndarray, " part"]) -> Rates:
        """The chosen parts laid together as one."""
        return Rates(right=self.right[chosen].sum(0)[None], models=self.models[chosen].sum(0)[None])

    @property
    def difference(self) -> Float[np.ndarray, "part example"]:
        """Label memorization by part: rates of side 1 minus those of side 0 within strata; NaN where one is empty."""
        rate = self.right / np.where(self.models, self.models, np.nan)
        return np.stack([contrast(one, weights(count)) for one, count in zip(rate, self.models, strict=True)])


def rates(
    correct: Iterable[Bool[np.ndarray, " example"]],
    member: Int[np.ndarray, "model example"],
    part: Int[np.ndarray, " model"],
    stratum: Int[np.ndarray, "model example"],
) -> Rates:
    """Count the answers of the models, which come one after another.

    Example:
        >>> answers, member = np.array([[1, 1], [0, 1]], bool), np.array([[1, 0], [0, 1]])
        >>> rates(answers, member, np.array([0, 0]), np.zeros((2, 2), np.int16)).difference
        array([[1., 0.]])
    """
    one = not stratum.size or stratum.min() == stratum.max()
    names = np.unique(stratum.ravel()[:1] if one else stratum)
    right = np.zeros((int(part.max(initial=-1)) + 1, len(names), 2, member.shape[1]), np.int32)
    models = np.zeros_like(right)
    for answers, membership, own, of in zip(correct, member, part, stratum, strict=True):
        for place, name in enumerate(names):
            for side in (0, 1):
                chosen = membership == side if one else (membership == side) & (of == name)
                models[own, place, side] += chosen
                right[own, place, side] += answers & chosen
    return Rates(right=right, models=models)
