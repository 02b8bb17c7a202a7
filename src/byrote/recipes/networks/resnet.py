"""A residual network for small images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from byrote.errors import BadInput
from byrote.recipes.networks.small_cnn import image_shape


@dataclass(frozen=True)
class ResNet:
    """ResNet for small images: three stages of basic blocks, widths w, 2w, 4w; depth 6k + 2.

    `norm="batch"` is the original; `"group"` keeps an example's output independent of its batch.

    Source: He et al. 2016, arXiv:1512.03385, section 4.2 (ResNet-20: depth 20, width 16), with projection shortcuts.

    Example:
        >>> import torch
        >>> ResNet(depth=8, width=4).build((3, 8, 8), 10)(torch.zeros(2, 3, 8, 8)).shape
        torch.Size([2, 10])
    """

    depth: int = 20
    width: int = 16
    norm: Literal["batch", "group"] = "batch"

    def __post_init__(self) -> None:
        if self.depth < 8 or (self.depth - 2) % 6:
            raise BadInput(
                f"The 'depth' argument of ResNet must be 6k + 2 with k >= 1. Got {self.depth}.",
                hint="8, 14, 20, 32, 44, 56 and 110 are such depths.",
            )

    def build(self, inputs: tuple[int, ...], classes: int) -> nn.Module:
        """A freshly initialised network."""
        channels = image_shape("ResNet", inputs)[0]
        blocks: list[nn.Module] = []
        narrow = self.width
        for stage in range(3):
            wide = self.width * 2**stage
            for index in range((self.depth - 2) // 6):
                blocks.append(_Block(narrow, wide, 2 if stage and not index else 1, self.norm))
                narrow = wide
        return nn.Sequential(
            nn.Conv2d(channels, self.width, 3, padding=1, bias=False),
            _norm(self.norm, self.width),
            nn.ReLU(),
            *blocks,
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(narrow, classes),
        )


def _norm(kind: str, width: int) -> nn.Module:
    return nn.BatchNorm2d(width) if kind == "batch" else nn.GroupNorm(4, width)


class _Block(nn.Module):
    def __init__(self, narrow: int, wide: int, stride: int, norm: str) -> None:
        super().__init__()
        self.first = nn.Conv2d(narrow, wide, 3, stride, padding=1, bias=False)
        self.first_norm = _norm(norm, wide)
        self.second = nn.Conv2d(wide, wide, 3, padding=1, bias=False)
        self.second_norm = _norm(norm, wide)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or narrow != wide:
            self.shortcut = nn.Sequential(nn.Conv2d(narrow, wide, 1, stride, bias=False), _norm(norm, wide))

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = F.relu(self.first_norm(self.first(inputs)))
        return F.relu(self.second_norm(self.second(hidden)) + self.shortcut(inputs))
