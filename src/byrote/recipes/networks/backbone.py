"""A pretrained backbone with a fresh head."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from byrote.errors import BadInput


@dataclass(frozen=True)
class Backbone:
    """Features of a network that somebody trained before, and a linear head that starts anew in every model.

    `load` returns the pretrained network that maps inputs to features, the same weights each time; every model
    trains a copy of its own. `frozen` trains the head alone, and the backbone stays in evaluation mode.

    Example:
        >>> features = lambda: nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
        >>> Backbone(features, frozen=True).build((4,), 2)(torch.zeros(1, 4)).shape
        torch.Size([1, 2])
    """

    load: Callable[[], nn.Module]
    frozen: bool = False

    def build(self, inputs: tuple[int, ...], classes: int) -> nn.Module:
        """The backbone with its head; the width of the features is found by a trial pass."""
        with torch.random.fork_rng(devices=[]):  # whatever loading draws, the head starts from the model's own seed
            backbone = copy.deepcopy(self.load()).eval()
        with torch.no_grad():
            features = backbone(torch.zeros(1, *inputs))
        if features.dim() != 2:
            raise BadInput(
                f"The network of Backbone must give features of shape (batch, width). Got {tuple(features.shape)}.",
                hint="end it with pooling and nn.Flatten().",
            )
        return _WithHead(backbone, features.shape[1], classes, frozen=self.frozen)


class _WithHead(nn.Module):
    def __init__(self, backbone: nn.Module, width: int, classes: int, *, frozen: bool) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(width, classes)
        self.frozen = frozen
        for weight in backbone.parameters():
            weight.requires_grad_(not frozen)

    def train(self, mode: bool = True) -> _WithHead:
        super().train(mode)
        self.backbone.train(mode and not self.frozen)
        return self

    def forward(self, inputs: Tensor) -> Tensor:
        logits: Tensor = self.head(self.backbone(inputs))
        return logits
