"""A multilayer perceptron."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise

from torch import nn

from byrote.recipes.dropout import Dropout, ExampleTiedDropout
from byrote.recipes.slots import ADDED


@dataclass(frozen=True)
class MLP:
    """Flatten, then linear layers with ReLU between them, and dropout after each ReLU if asked.

    `tied_dropout=(0.2, 0.1)` are the two shares of `byrote.ExampleTiedDropout`.

    Example:
        >>> import torch
        >>> MLP(hidden=(8,)).build((4,), 3)(torch.zeros(2, 4)).shape
        torch.Size([2, 3])
    """

    hidden: tuple[int, ...] = (256,)
    dropout: float = 0.0
    tied_dropout: tuple[float, ...] = field(default=(), metadata=ADDED)

    def build(self, inputs: tuple[int, ...], classes: int) -> nn.Module:
        """A freshly initialised network."""
        widths = (math.prod(inputs), *self.hidden)
        layers: list[nn.Module] = [nn.Flatten()]
        for narrow, wide in pairwise(widths):
            layers += [nn.Linear(narrow, wide), nn.ReLU()]
            layers += [Dropout(self.dropout)] if self.dropout else []
            layers += [ExampleTiedDropout(*self.tied_dropout)] if self.tied_dropout else []
        return nn.Sequential(*layers, nn.Linear(widths[-1], classes))
