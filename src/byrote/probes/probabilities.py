"""Probabilities that are handed over as logits: every number of every row in 0..1, and each row with the sum 1."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from byrote.errors import BadInput

#: Rows whose sum is that near to 1, of numbers of half precision too, and so many of them, are no accident.
NEAR, LEAST = 1e-2, 8


def are_probabilities(logits: Any) -> bool:
    """Whether these rows, an array or a tensor, are what a softmax gives; 0 and 1 alone may be made-up logits.

    Example:
        >>> are_probabilities(torch.full((8, 4), 0.25)), are_probabilities(torch.full((8, 4), 0.5))
        (True, False)
    """
    if logits[..., 0].reshape(-1).shape[0] < LEAST or not ((logits >= 0) & (logits <= 1)).all():
        return False
    return bool((abs(logits.sum(-1) - 1) < NEAR).all() and ((logits > 0) & (logits < 1)).any())


class Suspicion:
    """Whether all logits of a training look like probabilities so far. Nothing waits for a device before `settle`."""

    def __init__(self) -> None:
        self._rows = 0
        self._alike, self._inside = True, False
        self._flags: list[Tensor] = []

    def see(self, logits: Float[Tensor, "row class"]) -> None:
        """Look at more of them."""
        if not self._alike or not len(logits):
            return
        alike = ((logits >= 0) & (logits <= 1)).all() & ((logits.sum(1) - 1).abs() < NEAR).all()
        self._flags.append(torch.stack([alike, ((logits > 0) & (logits < 1)).any()]))
        self._rows += len(logits)

    def settle(self) -> None:
        """Go on, unless there is no doubt.

        Raises:
            BadInput: all rows so far are probabilities.
        """
        for alike, inside in (flags.tolist() for flags in self._flags):
            self._alike, self._inside = self._alike and alike, self._inside or inside
        self._flags = []
        if self._alike and self._inside and self._rows >= LEAST:
            raise BadInput(
                f"All {self._rows} rows of logits so far are probabilities: they lie in [0, 1] and have the sum 1.",
                hint="give answers before softmax; or their logarithms, torch.log(answers.clamp_min(1e-12)).",
            )
