"""Any network of the user's."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True)
class Network:
    """A class or function that takes nothing and returns a freshly initialised module: `Network(MyNet)`.

    It must draw its initial weights from torch's generator (as all of torch.nn does), so that a seed fixes them.

    Example:
        >>> from torch import nn
        >>> Network(lambda: nn.Linear(4, 3)).build((4,), 3)
        Linear(in_features=4, out_features=3, bias=True)
    """

    make: Callable[[], nn.Module]

    def build(self, inputs: tuple[int, ...], classes: int) -> nn.Module:
        """A copy of whatever `make` returns; shapes are checked when the first batch goes through."""
        return copy.deepcopy(self.make())
