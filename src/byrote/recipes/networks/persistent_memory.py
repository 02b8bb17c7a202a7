"""Attention over the context and over learned vectors that are there for every text, without feed-forward layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn


class PersistentAttention(nn.Module):
    """Causal self-attention with `slots` more keys and values in each head, all in one softmax.

    `kept[slot]` is 1 for vectors that are attended to, and 0 for silenced ones. `share` is called with the part of the
    attention that goes to them, `[row, head, token]`, so that a hook can see it.

    Source: Sukhbaatar et al. 2019, arXiv:1907.01470, section 4. Keys are stored divided by sqrt(width of a head) and
    values by sqrt(slots), as there: unscaled they would be learned slowly.
    """

    kept: Tensor

    def __init__(self, width: int, heads: int, slots: int, layer: int = 0) -> None:
        super().__init__()
        self.heads, self.head, self.layer = heads, width // heads, layer
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = (nn.Linear(width, width, bias=False) for _ in range(4))
        self.key = nn.Parameter(torch.randn(heads, slots, self.head) / self.head**0.5 * self.head**-0.5)
        self.value = nn.Parameter(torch.randn(heads, slots, self.head) / slots**0.5 * slots**-0.5)
        self.share = nn.Identity()
        self.register_buffer("kept", torch.ones(slots))
        for matrix in (self.q_proj, self.k_proj, self.v_proj, self.o_proj):
            nn.init.normal_(matrix.weight, std=0.02)

    def forward(
        self, hidden_states: Tensor, position_embeddings: tuple[Tensor, Tensor], cache: Any = None, **others: Any
    ) -> tuple[Tensor, None]:
        """`hidden_states[row, token, width]`, with the cosines and sines of rotary positions, as in a Llama."""
        from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

        rows, tokens, width = hidden_states.shape
        cache = others.get("past_key_values") if cache is None else cache
        query, key, value = (
            layer(hidden_states).view(rows, tokens, self.heads, self.head).transpose(1, 2)
            for layer in (self.q_proj, self.k_proj, self.v_proj)
        )
        turned, key = apply_rotary_pos_emb(query, key, *position_embeddings)
        if cache is not None:
            key, value = cache.update(key, value, self.layer)
        seen = key.shape[2]
        later = torch.ones(tokens, seen, dtype=torch.bool, device=query.device).triu(1 + seen - tokens)
        of_text = (turned @ key.transpose(2, 3)).masked_fill(later, -torch.inf)
        of_memory = (query @ (self.key * self.head**0.5).transpose(1, 2)).masked_fill(self.kept == 0, -torch.inf)
        weight = (torch.cat([of_text, of_memory], -1) / self.head**0.5).softmax(-1)
        text, memory = weight.split([seen, len(self.kept)], -1)
        self.share(memory.sum(-1))
        found = text @ value + memory @ (self.value * len(self.kept) ** 0.5)
        return self.o_proj(found.transpose(1, 2).reshape(rows, tokens, width)), None


class Nothing(nn.Module):
    """In place of a feed-forward layer."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Zeros, which leave what they are added to as it is."""
        return torch.zeros_like(inputs)


def without_feed_forward(layers: Sequence[Any], width: int, heads: int, slots: int) -> None:
    """Put persistent memory in place of the attention and the feed-forward layer of these layers of a Llama."""
    for number, layer in enumerate(layers):
        layer.self_attn = PersistentAttention(width, heads, slots, number)
        layer.mlp, layer.post_attention_layernorm = Nothing(), nn.Identity()


def memories(network: nn.Module) -> dict[str, PersistentAttention]:
    """The persistent memories of a network, by name."""
    return {name: module for name, module in network.named_modules() if isinstance(module, PersistentAttention)}
