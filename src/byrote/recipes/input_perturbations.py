"""Changes of the inputs that look at the network: adversarial training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class ProjectedGradient:
    """Replace each input by a nearby one of high loss: sign steps, projected onto a box of half-width `radius`.

    Source: Madry et al. 2018, arXiv:1706.06083, without the random start.
    """

    radius: float = 0.1
    steps: int = 3
    step_size: float = 0.05

    def apply(self, inputs: Tensor, loss: Callable[[Tensor], Tensor]) -> Tensor:
        """`inputs[model, batch, ...]`; every example's loss depends on its own input alone."""
        moved = inputs
        for _ in range(self.steps):
            moved = moved.detach().requires_grad_()
            (slope,) = torch.autograd.grad(loss(moved).sum(), moved)
            moved = inputs + (moved + self.step_size * slope.sign() - inputs).clamp(-self.radius, self.radius)
        return moved.detach()
