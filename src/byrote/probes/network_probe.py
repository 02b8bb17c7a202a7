"""A probe that needs the trained network itself, not its answers; recorded where `audit(…, probes=…)` asks for it."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from torch import Tensor, nn

from byrote.recipes.algorithm import Algorithm


class NetworkProbe(Protocol):
    """Reads each trained network once, at the end. `name` is what asks for it, `kind` the evidence that it writes."""

    name: str
    kind: str

    def bound(self, algorithm: Algorithm) -> NetworkProbe:
        """The probe as it reads networks of this algorithm; itself, unless it goes by the recipe.

        Raises:
            BadInput: the algorithm lacks what it goes by.
        """
        return self

    def check(self, network: nn.Module, inputs: Tensor, targets: Tensor) -> None:
        """Refuse a network that it cannot read, on a few examples and before anything trains.

        Raises:
            BadInput: with what the network would have to be.
        """

    def read(self, network: nn.Module, inputs: Tensor, targets: Tensor, seed: int) -> dict[str, np.ndarray]:
        """Arrays of one model by name, their last axis `[example]`; the network is in evaluation mode."""
        ...
