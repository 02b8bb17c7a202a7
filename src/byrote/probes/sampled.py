"""Probes that cost much: they look at some of the checkpoints, and at a few of a run's models unless told otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from byrote.errors import BadInput
from byrote.probes.contract import Probe

#: The models of four pairs and those on all data, or all models.
FEW, ALL = "few", "all"
#: A first and a last checkpoint.
FEWEST: Final = 2


@dataclass
class SampledProbe(Probe):
    """A probe that costs much.

    Attributes:
        checkpoints: at so many of them it looks, in even steps, the first and the last among them.
        models: "few", those of four pairs and those on all data, or "all".
    """

    checkpoints: int = 8
    models: str = FEW

    def __post_init__(self) -> None:
        if self.models not in (FEW, ALL) or self.checkpoints < FEWEST:
            raise BadInput(
                f"The probe {self.name!r} looks at few or all models, and at {FEWEST} checkpoints at least. Got "
                f"{self.models!r} and {self.checkpoints}.",
                hint=f"{self.name},checkpoints=8,models=few",
            )

    @property
    def few(self) -> bool:
        """Unless all models are asked for."""
        return self.models == FEW

    def chosen(self, checkpoints: int) -> tuple[int, ...]:
        """As many as asked for in even steps."""
        return evenly(checkpoints, self.checkpoints)


def evenly(checkpoints: int, most: int) -> tuple[int, ...]:
    """Numbers of at most so many of the checkpoints, in even steps, the first and the last among them.

    Example:
        >>> evenly(9, 5)
        (0, 2, 4, 6, 8)
    """
    return tuple(np.linspace(0, checkpoints - 1, min(most, checkpoints)).round().astype(int).tolist())
