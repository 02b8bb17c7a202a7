"""Decoding: the log-probability of every token where answers are drawn at a temperature, or from the likeliest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from byrote.data.corpus import Corpus
from byrote.errors import BadInput
from byrote.evidence.kinds.documents import DECODING
from byrote.probes import tokens
from byrote.probes.contract import Block, TextProbe
from byrote.probes.registry import probe


@dataclass(frozen=True, kw_only=True)
class Decoding:
    """How answers are drawn: unless told otherwise as by Hayes et al. 2024 (arXiv:2410.19482), of the 40 likeliest.

    Raises:
        BadInput: a setting is out of its range.
    """

    temperature: float = 1.0
    top_k: int | None = 40
    top_p: float | None = None

    def __post_init__(self) -> None:
        if not 0 < self.temperature < float("inf"):
            raise BadInput(
                f"The 'temperature' argument of decoding must be positive and finite. Got {self.temperature}.",
                hint="temperature=1 draws as the model answers; discoverable_extraction tells of greedy decoding.",
            )
        if self.top_k is not None and self.top_k < 1:
            raise BadInput(
                f"The 'top_k' argument of decoding must be at least 1. Got {self.top_k}.",
                hint="top_k=40, or None to draw from all tokens.",
            )
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise BadInput(
                f"The 'top_p' argument of decoding must lie in (0, 1]. Got {self.top_p}.",
                hint="top_p=0.9, or None to draw from all tokens.",
            )

    @classmethod
    def parse(cls, text: str) -> Decoding:
        """What stands after `decoding,` on the command line.

        Example:
            >>> Decoding.parse("temperature=0.7,top_p=0.9")
            Decoding(temperature=0.7, top_k=None, top_p=0.9)

        Raises:
            BadInput: it cannot be read.
        """
        kinds = {"temperature": float, "top_k": int, "top_p": float}
        found: dict[str, Any] = {"top_k": None} if text else {}
        for part in text.split(",") if text else ():
            name, _, value = part.partition("=")
            try:
                found[name] = kinds[name](value)
            except (KeyError, ValueError):
                raise BadInput(
                    f"The setting {part!r} of the probe decoding cannot be read.",
                    hint="decoding,temperature=0.7,top_k=40,top_p=0.9",
                ) from None
        return cls(**found)


@probe
@dataclass
class DecodingProbe(TextProbe):
    """What each model says of every token where answers are drawn in this way."""

    decoding: Decoding = field(default_factory=Decoding)

    name: ClassVar[str] = "decoding"
    kinds = (DECODING,)

    def with_settings(self, settings: Sequence[str]) -> DecodingProbe:
        """Temperature, top_k and top_p; what is not among them is not cut."""
        return DecodingProbe(Decoding.parse(",".join(settings) or "="))

    def read(self, network: nn.Module, block: Block, progress: Callable[[float], None]) -> dict[str, np.ndarray]:
        """`log_probability`."""
        assert block.corpus is not None
        law = vars(self.decoding)
        return signals(network, block.corpus, device=block.device, context=block.context, progress=progress, **law)


def signals(
    network: nn.Module,
    corpus: Corpus,
    *,
    device: str = "cpu",
    context: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    progress: Callable[[float], None] = tokens.silent,
) -> dict[str, np.ndarray]:
    """The column of `decoding`; -inf where the cut never lets the token be drawn.

    Raises:
        BadInput: a setting is out of its range.
    """
    decoded = Decoded(network, temperature=temperature, top_k=top_k, top_p=top_p)
    read = tokens.signals(decoded, corpus, device=device, context=context, progress=progress)
    return {"log_probability": read["log_probability"]}


class Decoded(nn.Module):
    """A network whose softmax is the distribution that answers are drawn from: g = softmax(z / temperature), cut.

    First all but the `top_k` largest logits go, then the least likely tokens that the most likely ones reach `top_p`
    without; tokens as likely as the last that is kept are kept, too. What is left is renormalised by the softmax.
    """

    def __init__(
        self, network: nn.Module, *, temperature: float = 1.0, top_k: int | None = None, top_p: float | None = None
    ) -> None:
        super().__init__()
        Decoding(temperature=temperature, top_k=top_k, top_p=top_p)  # refuses what is out of its range
        self.network, self.temperature, self.top_k, self.top_p = network, temperature, top_k, top_p

    def forward(self, inputs: Tensor) -> Tensor:
        """`inputs[row, token]` give the logits of the decoding distribution."""
        logits: Tensor = self.network(inputs).float() / self.temperature
        if self.top_k is not None and self.top_k < logits.shape[-1]:
            least = logits.topk(self.top_k, dim=-1).values[..., -1:]
            logits = logits.masked_fill(logits < least, -torch.inf)
        if self.top_p is not None:
            ordered = logits.sort(dim=-1, descending=True).values
            p = ordered.softmax(-1)
            kept = p.cumsum(-1) - p < self.top_p  # those more likely have not reached it yet
            least = ordered.masked_fill(~kept, torch.inf).amin(-1, keepdim=True)
            logits = logits.masked_fill(logits < least, -torch.inf)
        return logits
