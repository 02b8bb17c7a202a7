"""A small convolutional network."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import nn

from byrote.errors import BadInput
from byrote.recipes.dropout import Dropout, ExampleTiedDropout
from byrote.recipes.slots import ADDED


@dataclass(frozen=True)
class SmallCNN:
    """Two convolutions with GroupNorm, ReLU and halving of the image, then one linear layer.

    `tied_dropout=(0.2, 0.1)` are the two shares of `byrote.ExampleTiedDropout`, after each ReLU.

    Example:
        >>> import torch
        >>> SmallCNN(width=4).build((1, 8, 8), 3)(torch.zeros(2, 1, 8, 8)).shape
        torch.Size([2, 3])
    """

    width: int = 16
    dropout: float = 0.0
    tied_dropout: tuple[float, ...] = field(default=(), metadata=ADDED)

    def build(self, inputs: tuple[int, ...], classes: int) -> nn.Module:
        """A freshly initialised network."""
        channels, height, width = image_shape("SmallCNN", inputs)
        layers: list[nn.Module] = []
        for narrow, wide in ((channels, self.width), (self.width, 2 * self.width)):
            layers += [
                nn.Conv2d(narrow, wide, 3, padding=1),
                nn.GroupNorm(4, wide),
                nn.ReLU(),
                *([ExampleTiedDropout(*self.tied_dropout)] if self.tied_dropout else []),
                nn.MaxPool2d(2),
            ]
        layers += [nn.Flatten()]
        layers += [Dropout(self.dropout)] if self.dropout else []
        return nn.Sequential(*layers, nn.Linear(2 * self.width * (height // 4) * (width // 4), classes))


def image_shape(name: str, inputs: tuple[int, ...]) -> tuple[int, int, int]:
    """Channels, height and width, or a sentence that says what was found instead."""
    if len(inputs) != 3 or min(inputs[1:]) < 4:
        raise BadInput(
            f"{name} takes images of shape (channel, height, width), at least 4 x 4. Got inputs of shape {inputs}.",
            hint="use MLP for rows, or reshape the inputs to images.",
        )
    channels, height, width = inputs
    return channels, height, width
