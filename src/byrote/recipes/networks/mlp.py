"""A multilayer perceptron."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from torch import nn

from byrote.recipes.dropout import Dropout


@dataclass(frozen=True)
class MLP:
    """Flatten, then linear layers with ReLU between them, and dropout after each ReLU if asked."""

    hidden: tuple[int, ...] = (256,)
    dropout: float = 0.0

    def build(self, inputs: tuple[int, ...], classes: int) -> nn.Module:
        """A freshly initialised network."""
        widths = (math.prod(inputs), *self.hidden)
        layers: list[nn.Module] = [nn.Flatten()]
        for narrow, wide in pairwise(widths):
            layers += [nn.Linear(narrow, wide), nn.ReLU()]
            layers += [Dropout(self.dropout)] if self.dropout else []
        return nn.Sequential(*layers, nn.Linear(widths[-1], classes))
