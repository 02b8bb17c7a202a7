"""Losses of batches of many models, for classes and for distributions over classes."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def is_distribution(targets: Tensor) -> bool:
    """Whether `targets[model, batch, class]` are distributions over classes, and not a class each."""
    return targets.ndim == 3 and targets.is_floating_point()


def cross_entropy(logits: Tensor, targets: Tensor, *, smoothing: float = 0.0) -> Tensor:
    """-log p of a class, or its mean over a distribution: `logits[model, batch, class]` give `[model, batch]`.

    `targets[model, batch]` are classes; `targets[model, batch, class]` are distributions. `smoothing` moves them
    towards uniform.
    """
    flat = F.cross_entropy(logits.flatten(0, 1), targets.flatten(0, 1), reduction="none", label_smoothing=smoothing)
    return flat.reshape(logits.shape[:2])


def of_targets(by_class: Tensor, targets: Tensor) -> Tensor:
    """The loss of each target's class, or its mean over a distribution: `by_class[model, batch, class]` to two axes."""
    if is_distribution(targets):
        return (targets * by_class).sum(-1)
    return by_class.gather(-1, targets[..., None])[..., 0]
