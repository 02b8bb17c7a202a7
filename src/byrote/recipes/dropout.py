"""Dropout whose masks are a function of (seed, step, example), so that it may run in many models at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from byrote.errors import BadInput
from byrote.recipes import noise


class Dropout(nn.Module):
    """Zero each unit with probability p while training.

    Differs: torch's own dropout draws from a generator whose state depends on everything drawn before; a recipe
    that uses it runs in the plain loop.

    Example:
        >>> import torch
        >>> Dropout(0.5).eval()(torch.ones(3))
        tensor([1., 1., 1.])
    """

    #: Whether its masks are those of the example alone, the same at every step and in every model.
    tied: ClassVar[bool] = False

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
        """`inputs[batch, ...]`, or `[model, batch, ...]`; keys of as many axes are set by whoever trains."""
        if not self.training or self.p == 0:
            return inputs
        if self.keys is None:
            raise BadInput(
                "byrote.Dropout was asked for a training pass outside a byrote recipe.",
                hint="call .eval() first, or use torch.nn.Dropout.",
            )
        drawn = noise.uniform(self.keys, math.prod(inputs.shape[self.keys.dim() :]), salt=self.salt).reshape(
            inputs.shape
        )
        return torch.where(drawn < self.p, 0.0, inputs / (1 - self.p))


class ExampleTiedDropout(Dropout):
    """A share of the units is always on; each other unit is on only for examples of its own, at every step.

    Memory units are those that are not always on. They can learn what only their examples need, and can be dropped
    with it. In evaluation mode no example has units of its own: memory units are multiplied by the share of examples
    that have each (`test`), until `drop` silences them. Units are entries of the second axis; for images, channels.

    Formula:
        unit u of U is always on if u < fixed U, or else on for example i iff hash(i, u, layer) < memory;
        test: memory units times `memory`; dropped: memory units 0, the others times
        (fixed + memory (1 - fixed)) / fixed

    Source: Maini et al. 2023, arXiv:2307.09542, section 5.
    Differs: theirs seeds torch's generator again for each example to draw its mask, which resets all other draws, and
    multiplies by (fixed + memory) / fixed when dropped, which is more than the share that is on in training.

    Example:
        >>> ExampleTiedDropout(fixed=0.2, memory=0.1)
        ExampleTiedDropout()
    """

    tied: ClassVar[bool] = True
    read: Tensor

    def __init__(self, fixed: float = 0.2, memory: float = 0.1) -> None:
        super().__init__(0.0)
        for name, value in (("fixed", fixed), ("memory", memory)):
            if not 0 < value < 1:
                raise BadInput(
                    f"The {name!r} argument of ExampleTiedDropout must be in (0, 1). Got {value}.",
                    hint="ExampleTiedDropout(fixed=0.2, memory=0.1) is the authors'.",
                )
        self.fixed, self.memory = fixed, memory
        # the factors of always-on units and of memory units in evaluation mode; they are kept with the weights
        self.register_buffer("read", torch.tensor([1.0, memory]))

    def drop(self, amount: float = 1.0) -> None:
        """Silence the memory units in evaluation mode from now on; an amount below 1 reduces them by that share."""
        taken = amount * self.memory
        self.read.copy_(torch.tensor([(self.fixed + taken * (1 - self.fixed)) / self.fixed, self.memory - taken]))

    def forward(self, inputs: Tensor) -> Tensor:
        """`inputs[batch, unit, ...]`; the keys of the batch are set by whoever trains."""
        units = inputs.shape[1]
        always = torch.arange(units, device=inputs.device) < max(1, round(self.fixed * units))
        if not self.training:
            return inputs * _along(torch.where(always, self.read[0], self.read[1]), inputs)
        if self.keys is None:
            raise BadInput(
                "byrote.ExampleTiedDropout was asked for a training pass outside a byrote recipe.",
                hint="call .eval() first.",
            )
        own = noise.uniform(self.keys, units, salt=self.salt) < self.memory
        return inputs * _along((always | own).to(inputs.dtype), inputs)


def _along(factors: Tensor, inputs: Tensor) -> Tensor:
    """Factors by unit, or by example and unit, over the places of the inputs."""
    return factors.reshape(*factors.shape, *[1] * (inputs.dim() - 2))


def keys_of(layers: Sequence[Dropout], stream: noise.Stream) -> list[Tensor]:
    """The keys `[model, batch]` of each of these layers."""
    return [stream.tied if layer.tied else stream.keys for layer in layers]


def give(layers: Sequence[Dropout], keys: Sequence[Tensor] | None) -> None:
    """Set the keys of a batch, or take them away."""
    for number, layer in enumerate(layers):
        layer.keys = None if keys is None else keys[number]


def salt_all(network: nn.Module) -> list[Dropout]:
    """Give every dropout of the network its own stream, and list them."""
    layers = [module for module in network.modules() if isinstance(module, Dropout)]
    for index, layer in enumerate(layers, start=1):
        layer.salt = index
    return layers
