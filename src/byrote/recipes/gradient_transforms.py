"""Changes of the gradients before the optimizer sees them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from byrote.recipes.batch import Batch


@dataclass(frozen=True)
class ClipNorm:
    """Scale a model's gradient down to Euclidean norm `largest` where it is longer.

    Example:
        >>> ClipNorm(largest=0.5)
        ClipNorm(largest=0.5)
    """

    largest: float = 1.0

    def apply(self, gradients: dict[str, Tensor], batch: Batch) -> None:
        """`gradients[weight][model, ...]`, changed in place."""
        squared = torch.stack([gradient.flatten(1).square().sum(1) for gradient in gradients.values()]).sum(0)
        scale = (self.largest / squared.sqrt().clamp_min(1e-12)).clamp_max(1.0)
        for gradient in gradients.values():
            gradient.mul_(scale.reshape(-1, *[1] * (gradient.dim() - 1)))
