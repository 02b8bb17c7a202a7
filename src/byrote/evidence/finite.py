"""Answers that are not finite: of a model that diverged most are; of an input that no network takes, all models'."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

#: A model diverged if more than this share of its answers are not finite.
MOST = 0.5
#: The entries of a shard's header.
DIVERGED, NOT_FINITE = "diverged", "not_finite"


@dataclass(frozen=True)
class Verdict:
    """Whether a model diverged, and on how many examples its answers are not finite."""

    diverged: bool
    not_finite: int

    def words(self) -> dict[str, str]:
        """Both as they stand in the header of a shard; nothing of examples where all answers are finite."""
        count = {NOT_FINITE: str(self.not_finite)} if self.not_finite else {}
        return {DIVERGED: str(self.diverged).lower(), **count}


def verdict(bad: Bool[np.ndarray, " example"]) -> Verdict:
    """What to say of a model whose answers are not finite on these examples.

    Example:
        >>> verdict(np.array([True, False, False])).words()
        {'diverged': 'false', 'not_finite': '1'}
    """
    return Verdict(diverged=bool(bad.size) and float(bad.mean()) > MOST, not_finite=int(bad.sum()))


def flagged(header: Mapping[str, str]) -> bool:
    """Whether a shard holds values that are not finite, by its header; older runs say diverged of a single one."""
    return header.get(DIVERGED) == "true" or NOT_FINITE in header


def not_finite(columns: Mapping[str, np.ndarray]) -> Bool[np.ndarray, " example"]:
    """The examples of which a column `[example]` of numbers is not finite.

    Example:
        >>> not_finite({"loss": np.array([0.5, np.nan]), "prediction": np.array([1, 0])})
        array([False,  True])
    """
    single = [array for array in columns.values() if array.ndim == 1 and array.dtype.kind == "f"]
    return np.asarray(~np.isfinite(single).all(0)) if single else np.zeros(0, bool)
