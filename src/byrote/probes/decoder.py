"""Decoders: what stands between a language model's logits and the token that comes out, such as an output guard."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn


@runtime_checkable
class Decoder(Protocol):
    """Changes the logits of the token that follows a prefix; a token of minus infinity never comes out.

    It depends on the prefix and the logits alone, so that reading a text token by token, each after the true ones,
    tells what generating gives.
    """

    def __call__(
        self, prefix: Int64[Tensor, "row token"], logits: Float[Tensor, "row vocabulary"]
    ) -> Float[Tensor, "row vocabulary"]: ...


class Guided(nn.Module):
    """A network whose every logit has gone through a decoder: what a reader that searches or generates is given."""

    def __init__(self, network: nn.Module, decoder: Decoder) -> None:
        super().__init__()
        self.network, self.decoder = network, decoder

    def forward(self, inputs: Int64[Tensor, "row token"]) -> Float[Tensor, "row token vocabulary"]:
        """`inputs[row, token]` give the logits of what follows each token, after the decoder."""
        logits: Tensor = self.network(inputs).float()
        changed = [self.decoder(inputs[:, : position + 1], logits[:, position]) for position in range(inputs.shape[1])]
        return torch.stack(changed, dim=1)
