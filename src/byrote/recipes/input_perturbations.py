"""Changes of the inputs that look at the network: adversarial training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from byrote.errors import BadInput
from byrote.recipes import noise

#: The stream of the random start; dropouts of a network take 1, 2, and so on.
_SALT = 2**16


@dataclass(frozen=True)
class ProjectedGradient:
    """Replace each input by a nearby one of high loss: sign steps, projected onto a box of half-width `radius`.

    The attack starts at a uniformly random point of the box (or, `random_start=False`, at the input). `step_size` is
    2.5 radius / steps unless given. `radius` and `step_size` are in the unit of the inputs as the network sees them.
    No point leaves the range of the data, `low` to `high`. Without them this is the range of each channel of an image,
    or of each feature of a row, over all examples that models may be trained on. What an augmentation put outside of
    it stays where it is. The network is in evaluation mode during the attack, so that the attack leaves its running
    statistics as they are.

    Source: Madry et al. 2018, arXiv:1706.06083; evaluation mode as in Zhang et al. 2019, arXiv:1901.08573.

    Example:
        >>> ProjectedGradient(radius=0.1, steps=3)
        ProjectedGradient(radius=0.1, steps=3, step_size=None, random_start=True, low=None, high=None)
    """

    radius: float = 0.1
    steps: int = 3
    step_size: float | None = None
    random_start: bool = True
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        if not self.radius >= 0 or self.steps < 0:
            raise BadInput(
                f"ProjectedGradient takes a radius and steps of at least 0. Got {self.radius} and {self.steps}.",
                hint="byrote.ProjectedGradient(radius=0.1, steps=5).",
            )
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise BadInput(
                f"The 'low' argument of ProjectedGradient must be below 'high'. Got {self.low} and {self.high}.",
                hint="low=0.0, high=1.0 for images in [0, 1]; leave both out to take the range of the data.",
            )

    def apply(
        self, inputs: Tensor, loss: Callable[[Tensor], Tensor], *, keys: Tensor, extent: tuple[Tensor, Tensor] | None
    ) -> Tensor:
        """`inputs[model, batch, ...]`; every example's loss depends on its own input alone.

        Raises:
            BadInput: neither the data's range nor `low` and `high` are known.
        """
        box = Box.around("ProjectedGradient", inputs, self.radius, extent, self.low, self.high)
        moved = inputs
        if self.random_start and self.steps:
            drawn = noise.uniform(keys, inputs[0, 0].numel(), salt=_SALT).reshape(inputs.shape)
            moved = box.clamp(inputs + self.radius * (2 * drawn - 1))
        size = 2.5 * self.radius / max(1, self.steps) if self.step_size is None else self.step_size
        return ascend(loss, moved, box, self.steps, size)


@dataclass(frozen=True, eq=False)
class Box:
    """Where an attack may lead to: `least` and `most`, as large as the inputs."""

    least: Tensor
    most: Tensor

    @classmethod
    def around(
        cls,
        name: str,
        inputs: Tensor,
        radius: float,
        extent: tuple[Tensor, Tensor] | None,
        low: float | None,
        high: float | None,
    ) -> Box:
        """Points within `radius` of the inputs and in the range of the data, or from `low` to `high`.

        Raises:
            BadInput: no range is known; the sentence is about `name`.
        """
        if extent is None and (low is None or high is None):
            raise BadInput(
                f"{name} is not given the range of the data here.", hint=f"give it: byrote.{name}(low=0.0, high=1.0)."
            )
        lowest, highest = extent or (inputs, inputs)
        lowest = lowest if low is None else inputs.new_tensor(low)
        highest = highest if high is None else inputs.new_tensor(high)
        # an augmentation may have put an input outside of the range: the attack leads no farther out
        least = torch.maximum(inputs - radius, torch.minimum(inputs, lowest))
        return cls(least, torch.minimum(inputs + radius, torch.maximum(inputs, highest)))

    def clamp(self, inputs: Tensor) -> Tensor:
        """The nearest point of the box."""
        return inputs.clamp(self.least, self.most)


def ascend(loss: Callable[[Tensor], Tensor], start: Tensor, box: Box, steps: int, size: float) -> Tensor:
    """Sign steps up `loss[model, batch]` from `start`, each back into the box; leaves no gradient behind."""
    moved = start
    with torch.enable_grad():
        for _ in range(steps):
            moved = moved.detach().requires_grad_()
            (slope,) = torch.autograd.grad(loss(moved).sum(), moved)
            moved = box.clamp(moved + size * slope.sign())
    return moved.detach()
