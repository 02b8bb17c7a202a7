"""Augmentations of images and rows, each a plain function of uniform numbers by example."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from byrote.errors import BadInput
from byrote.recipes.slots import Augmentation


@dataclass(frozen=True)
class RandomShift:
    """Shift an image by up to `pixels` in each direction, zeros coming in.

    Example:
        >>> RandomShift(pixels=2)
        RandomShift(pixels=2)
    """

    pixels: int = 1
    draws: ClassVar[int] = 2

    def apply(self, inputs: Tensor, uniform: Tensor) -> Tensor:
        """`inputs[n, channel, height, width]`."""
        check_images("RandomShift", inputs)
        height, width = inputs.shape[-2:]
        padded = F.pad(inputs, [self.pixels] * 4)
        corner = (uniform * (2 * self.pixels + 1)).long()
        rows = corner[:, 0, None] + torch.arange(height, device=inputs.device)
        columns = corner[:, 1, None] + torch.arange(width, device=inputs.device)
        which = torch.arange(len(inputs), device=inputs.device)[:, None, None]
        return padded.movedim(1, -1)[which, rows[:, :, None], columns[:, None, :]].movedim(-1, 1)


@dataclass(frozen=True)
class HorizontalFlip:
    """Mirror an image left to right with probability p.

    Example:
        >>> import torch
        >>> HorizontalFlip(p=1.0).apply(torch.tensor([[[[1.0, 2.0]]]]), torch.zeros(1, 1))
        tensor([[[[2., 1.]]]])
    """

    p: float = 0.5
    draws: ClassVar[int] = 1

    def apply(self, inputs: Tensor, uniform: Tensor) -> Tensor:
        """`inputs[n, channel, height, width]`."""
        check_images("HorizontalFlip", inputs)
        return torch.where((uniform[:, 0] < self.p)[:, None, None, None], inputs.flip(-1), inputs)


@dataclass(frozen=True)
class FeatureMask:
    """Set each number of an input to zero with probability p.

    Example:
        >>> import torch
        >>> FeatureMask(p=1.0).apply(torch.ones(1, 2), torch.zeros(1, 2))
        tensor([[0., 0.]])
    """

    p: float = 0.1
    draws: ClassVar[int] = 1

    def apply(self, inputs: Tensor, uniform: Tensor) -> Tensor:
        """`inputs[n, ...]`; one uniform number per example seeds the mask."""
        from byrote.recipes import noise

        drawn = noise.uniform((uniform[:, 0] * 2.0**24).long(), inputs[0].numel(), salt=1)
        return inputs * (drawn >= self.p).reshape(inputs.shape)


@dataclass(frozen=True)
class FreshNoise:
    """Mix each input with a share of Gaussian noise that is drawn anew at every step, so that nobody can memorize it.

    Formula:
        x <- (1 - share) x + share z, z of this mean and standard deviation

    Example:
        >>> import torch
        >>> FreshNoise(share=0.5, deviation=0.0).apply(torch.ones(1, 2), torch.zeros(1, 1))
        tensor([[0.5000, 0.5000]])
    """

    share: float = 0.5
    mean: float = 0.0
    deviation: float = 1.0
    draws: ClassVar[int] = 1

    def apply(self, inputs: Tensor, uniform: Tensor) -> Tensor:
        """`inputs[n, ...]`; one uniform number per example seeds its noise."""
        from byrote.recipes import noise

        drawn = noise.normal((uniform[:, 0] * 2.0**24).long(), inputs[0].numel(), salt=2).reshape(inputs.shape)
        return (1 - self.share) * inputs + self.share * (self.mean + self.deviation * drawn)


@dataclass(frozen=True)
class Cutout:
    """Paint a square of `size` pixels a side over each image, anew at each step; its centre is anywhere in the image.

    What of the square lies outside is cut off. `fill` is its value in all channels.

    Source: DeVries & Taylor 2017, arXiv:1708.04552; half of the image's side is their CIFAR-10 setting.

    Example:
        >>> import torch
        >>> Cutout(size=1).apply(torch.ones(1, 1, 1, 3), torch.tensor([[0.5, 0.9]]))
        tensor([[[[1., 1., 0.]]]])
    """

    size: int = 4
    fill: float = 0.0
    draws: ClassVar[int] = 2

    def __post_init__(self) -> None:
        if self.size < 0:
            raise BadInput(
                f"The 'size' argument of Cutout must be at least 0. Got {self.size}.",
                hint="byrote.Cutout(size=4) is half of an image of 8 x 8 pixels; 0 paints nothing.",
            )

    def apply(self, inputs: Tensor, uniform: Tensor) -> Tensor:
        """`inputs[n, channel, height, width]`."""
        check_images("Cutout", inputs)
        sides = torch.full((len(inputs), 2), float(self.size), device=inputs.device)
        return torch.where(box(inputs, uniform, sides), self.fill, inputs)


@dataclass(frozen=True)
class InTurn:
    """Several augmentations, one after the other.

    Example:
        >>> InTurn((RandomShift(1), Cutout(2))).draws
        4
    """

    parts: tuple[Augmentation, ...]

    @property
    def draws(self) -> int:
        """Those of all."""
        return sum(part.draws for part in self.parts)

    def apply(self, inputs: Tensor, uniform: Tensor) -> Tensor:
        """`inputs[n, ...]`; each part has uniform numbers of its own."""
        for part, own in zip(self.parts, torch.split(uniform, [part.draws for part in self.parts], 1), strict=True):
            inputs = part.apply(inputs, own)
        return inputs


def box(inputs: Tensor, uniform: Tensor, sides: Tensor) -> Tensor:
    """Which pixels lie in a rectangle, `[n, 1, height, width]`: `sides[n, 2]` long, its centre at `uniform[n, 2]`."""
    along = []
    for axis, pixels in enumerate(inputs.shape[-2:]):
        away = torch.arange(pixels, device=inputs.device) + 0.5 - uniform[:, axis, None] * pixels
        half = sides[:, axis, None] / 2
        along.append((-half <= away) & (away < half))
    return (along[0][:, :, None] & along[1][:, None, :])[:, None]


def check_images(name: str, inputs: Tensor) -> None:
    """Refuse anything but a batch of images."""
    if inputs.dim() != 4:
        raise BadInput(
            f"{name} is for images of shape (channel, height, width). Got inputs of shape {tuple(inputs.shape[1:])}.",
            hint="drop it from the recipe, or give the dataset as images.",
        )
