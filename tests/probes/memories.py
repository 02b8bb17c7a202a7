"""A language model of which it is known which feed-forward unit holds what: after token a it says token a + 1."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from byrote.recipes.objectives.next_token import NextToken
from byrote.recipes.optimizers import SGD
from byrote.recipes.recipe import Recipe

#: Tokens, each with a unit that holds what follows it; and units that never fire.
TOKENS, IDLE = 27, 3


class Memories(nn.Module):
    """One feed-forward layer on embeddings that are the tokens themselves; no layer adds them to the answer."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(TOKENS, TOKENS)
        self.up = nn.Linear(TOKENS, TOKENS + IDLE)
        self.down_proj = nn.Linear(TOKENS + IDLE, TOKENS, bias=False)
        self.head = nn.Linear(TOKENS, TOKENS, bias=False)
        with torch.no_grad():
            self.embedding.weight.copy_(torch.eye(TOKENS))
            self.up.weight.zero_()
            self.up.weight[:TOKENS] = torch.eye(TOKENS)
            self.up.bias.fill_(-0.5)
            self.down_proj.weight.zero_()
            self.down_proj.weight[(torch.arange(TOKENS) + 1) % TOKENS, torch.arange(TOKENS)] = 12.0
            self.head.weight.copy_(torch.eye(TOKENS))

    def forward(self, inputs: Tensor) -> Tensor:
        """`inputs[row, token]` give `logits[row, token, class]`."""
        answer: Tensor = self.head(self.down_proj(torch.relu(self.up(self.embedding(inputs)))))
        return answer


@dataclass(frozen=True)
class Remembering:
    """The slot of the network."""

    def build(self, inputs: tuple[int, ...], classes: int) -> nn.Module:
        return Memories()


#: A recipe that leaves the network as it is, but for rounding.
UNCHANGED = Recipe(network=Remembering(), objective=NextToken(), optimizer=SGD(lr=1e-9), epochs=1, batch_size=4)
