"""A small GPT of the Llama kind."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor, nn

from byrote.data.tokenizers import missing
from byrote.errors import BadInput
from byrote.recipes.networks.persistent_memory import without_feed_forward
from byrote.recipes.slots import ADDED


@dataclass(frozen=True, kw_only=True)
class TinyGPT:
    """A decoder with rotary positions, RMSNorm and gated layers, its output tied to its embedding.

    Built by transformers, so that its weights are a Llama's: any tool that reads those reads this one. With
    `persistent` memory it has so many learned keys and values in each attention head, and no feed-forward layers:
    `persistent` of 3/2 `hidden` are as many weights.

    Example:
        >>> TinyGPT(layers=1, width=16, heads=2, hidden=32).width
        16
    """

    layers: int = 2
    width: int = 128
    heads: int = 4
    hidden: int = 256
    persistent: int = field(default=0, metadata=ADDED)

    def __post_init__(self) -> None:
        if self.width % (2 * self.heads):
            raise BadInput(
                f"The 'width' argument of TinyGPT must be a multiple of 2 * heads = {2 * self.heads}. "
                f"Got {self.width}.",
                hint=f"width={max(1, round(self.width / (2 * self.heads))) * 2 * self.heads}.",
            )

    def build(self, inputs: tuple[int, ...], classes: int) -> nn.Module:
        """A freshly initialised network for rows of `inputs[0]` tokens of a vocabulary of `classes`.

        Raises:
            BadInput: the package transformers is not installed.
        """
        try:
            from transformers import LlamaConfig, LlamaForCausalLM
        except ImportError:
            raise missing("transformers") from None
        config = LlamaConfig(
            vocab_size=classes,
            hidden_size=self.width,
            intermediate_size=self.hidden,
            num_hidden_layers=self.layers,
            num_attention_heads=self.heads,
            num_key_value_heads=self.heads,
            max_position_embeddings=inputs[0],
            tie_word_embeddings=True,
            bos_token_id=0,
            eos_token_id=0,
        )
        model = LlamaForCausalLM(config)
        if self.persistent:
            without_feed_forward(model.model.layers, self.width, self.heads, self.persistent)
        return Logits(model)


class Logits(nn.Module):
    """A causal model of transformers as a network: token numbers in, logits out."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: Tensor) -> Tensor:
        """`inputs[row, token]` give `logits[row, token, class]`, each row from its own beginning."""
        logits: Tensor = self.model(input_ids=inputs, use_cache=False).logits
        return logits
