"""Mixtures of the examples of a batch, two by two, with their targets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from math import inf
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from byrote.errors import BadInput
from byrote.recipes import noise
from byrote.recipes.augmentations import box, check_images
from byrote.recipes.batch import Batch
from byrote.recipes.slots import Mixing

#: The stream of the mixtures, and how many values a share may have.
_SALT, LEVELS = 2**20, 2**12


@dataclass(frozen=True)
class Mixup:
    """Add to each input a share of another one, and to its target the same share of the other's.

    Formula:
        x_i <- s x_i + (1 - s) x_j,  y_i <- s y_i + (1 - s) y_j,  s = max(l, 1 - l) for l of Beta(alpha, alpha)

    Source: Zhang et al. 2018, arXiv:1710.09412; alpha 1 is their CIFAR-10 setting, .1 to .4 those of ImageNet.
    Differs:
        The authors' code draws one share for a batch, here each example has its own. The larger share is the example's
        own, so that each is once the main part of a mixture. A share is one of 4,096 equally likely values. Targets may
        also be several labels or numbers.

    Example:
        >>> Mixup(alpha=0.2)
        Mixup(alpha=0.2)
    """

    alpha: float = 1.0
    draws: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_alpha("Mixup", self.alpha)

    def apply(self, inputs: Tensor, others: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor]:
        """`inputs[n, ...]` of any shape."""
        share = larger_share(self.alpha, uniform[:, 0]).to(inputs.dtype)
        return torch.lerp(others, inputs, share.reshape(-1, *[1] * (inputs.dim() - 1))), share


@dataclass(frozen=True)
class CutMix:
    """Paste a rectangle of another image over each, and add to its target the share of the area of the other's.

    Formula:
        the rectangle has sqrt(1 - s) of both sides, s = max(l, 1 - l) for l of Beta(alpha, alpha), its centre is
        anywhere, and what lies outside is cut off;  y_i <- a y_i + (1 - a) y_j, a the share of pixels that stay

    Source: Yun et al. 2019, arXiv:1905.04899; alpha 1 is theirs.
    Differs:
        As in Mixup, shares are drawn by example, and an image keeps about half of its pixels or more.

    Example:
        >>> CutMix()
        CutMix(alpha=1.0)
    """

    alpha: float = 1.0
    draws: ClassVar[int] = 3

    def __post_init__(self) -> None:
        check_alpha("CutMix", self.alpha)

    def apply(self, inputs: Tensor, others: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor]:
        """`inputs[n, channel, height, width]`."""
        check_images("CutMix", inputs)
        side = (1 - larger_share(self.alpha, uniform[:, 0])).sqrt()
        pixels = torch.tensor(inputs.shape[-2:], device=inputs.device)
        inside = box(inputs, uniform[:, 1:], side[:, None] * pixels)
        return torch.where(inside, others, inputs), 1 - inside.to(inputs.dtype).mean((1, 2, 3))


def check_alpha(name: str, alpha: float) -> None:
    """Refuse what no Beta distribution has.

    Raises:
        BadInput: it is not above 0, or not finite.
    """
    if not 0 < alpha < inf:
        raise BadInput(
            f"The 'alpha' argument of {name} must be above 0 and finite. Got {alpha}.",
            hint="1.0 makes all shares alike likely; 0.2 mixes little.",
        )


def larger_share(alpha: float, uniform: Tensor) -> Tensor:
    """The larger of l and 1 - l for l of Beta(alpha, alpha), made from uniform numbers.

    Example:
        >>> larger_share(1.0, torch.tensor([0.0, 0.5])).tolist()
        [0.50006103515625, 0.75006103515625]
    """
    return torch.from_numpy(_shares(alpha)).to(uniform.device)[(uniform * LEVELS).long()]


@lru_cache(maxsize=8)
def _shares(alpha: float) -> np.ndarray:
    """The middles of 4,096 equally likely parts of the upper half of Beta(alpha, alpha)."""
    from scipy.special import betaincinv

    return np.asarray(betaincinv(alpha, alpha, 0.5 + (np.arange(LEVELS) + 0.5) / (2 * LEVELS)), np.float32)


def mixed(slot: Mixing, batch: Batch) -> Batch:
    """The batch, every example with its partner."""
    assert batch.noise is not None, "a step has random numbers"
    keys, size = batch.noise.keys, batch.ids.shape
    partner = partners(keys, batch.counting())
    each = torch.arange(len(partner), device=partner.device)[:, None]
    others = batch.inputs[each, partner]
    drawn = noise.uniform(keys.flatten(), slot.draws, salt=_SALT)
    inputs, share = slot.apply(batch.inputs.flatten(0, 1), others.flatten(0, 1), drawn)
    targets = _as_numbers(batch)
    share = share.reshape(*size, *[1] * (targets.dim() - 2)).to(targets.dtype)
    return replace(
        batch, inputs=inputs.reshape(batch.inputs.shape), targets=torch.lerp(targets[each, partner], targets, share)
    )


def partners(keys: Tensor, counting: Tensor | None) -> Tensor:
    """The row `[model, batch]` that each row is mixed with: the next by its key, of those that count.

    A row that does not count is its own partner.

    Example:
        >>> partners(torch.tensor([[30, 10, 20]]), None).tolist()
        [[1, 2, 0]]
    """
    rows = torch.ones_like(keys, dtype=torch.bool) if counting is None else counting
    order = torch.where(rows, keys, torch.iinfo(keys.dtype).max).argsort(dim=1, stable=True)
    place, number = torch.arange(keys.shape[1], device=keys.device), rows.sum(1, keepdim=True)
    following = torch.where(place < number, (place + 1) % number.clamp_min(1), place)
    return torch.empty_like(order).scatter_(1, order, order.gather(1, following))


def _as_numbers(batch: Batch) -> Tensor:
    """The targets, where they are classes as distributions over classes."""
    if batch.targets.is_floating_point():
        return batch.targets
    assert batch.classes is not None, "a step knows its classes"
    return F.one_hot(batch.targets, batch.classes).to(batch.inputs.dtype)
