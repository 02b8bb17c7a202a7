"""Dropout whose masks are a function of (seed, step, example), so that it may run in many models at once."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from byrote.errors import BadInput
from byrote.recipes import noise


class Dropout(nn.Module):
    """Zero each unit with probability p while training.

    Differs: torch's own dropout draws from a generator whose state depends on everything drawn before; a recipe
    that uses it runs in the plain loop.
    """

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        if not 0 <= p < 1:
            raise BadInput(
                f"The 'p' argument of Dropout must lie in [0, 1). Got {p}.", hint="0.5 drops half of the units, 0 none."
            )
        self.p = p
        self.salt = 0
        self.keys: Tensor | None = None

    def forward(self, inputs: Tensor) -> Tensor:
        """`inputs[batch, ...]`; the keys of the batch are set by whoever trains."""
        if not self.training or self.p == 0:
            return inputs
        if self.keys is None:
            raise BadInput(
                "byrote.Dropout was asked for a training pass outside a byrote recipe.",
                hint="call .eval() first, or use torch.nn.Dropout.",
            )
        drawn = noise.uniform(self.keys, inputs[0].numel(), salt=self.salt).reshape(inputs.shape)
        return torch.where(drawn < self.p, 0.0, inputs / (1 - self.p))


def salt_all(network: nn.Module) -> list[Dropout]:
    """Give every dropout of the network its own stream, and list them."""
    layers = [module for module in network.modules() if isinstance(module, Dropout)]
    for index, layer in enumerate(layers, start=1):
        layer.salt = index
    return layers
