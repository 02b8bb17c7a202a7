"""Generations: how a language model goes on by itself after a document's first tokens, greedily."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor, nn

from byrote.data.canary_tokens import CanaryTokens
from byrote.data.corpus import Corpus
from byrote.errors import BadInput
from byrote.evidence.kinds.documents import GENERATIONS
from byrote.probes.contract import Block, TextProbe
from byrote.probes.decoder import Decoder, Guided
from byrote.probes.registry import probe
from byrote.probes.tokens import silent

#: Tokens given and tokens asked for, as Carlini et al. 2022 have it.
PREFIX: Final = 50
SUFFIX: Final = 50
#: Logits of one batch take about so many bytes.
BATCH_BYTES: Final = 2**27


@probe
@dataclass
class GenerationsProbe(TextProbe):
    """What each model makes of a document's beginning, beside what stands there.

    Attributes:
        prefix: tokens that are given.
        suffix: tokens that are then generated.
    """

    prefix: int = PREFIX
    suffix: int = SUFFIX

    name: ClassVar[str] = "generations"
    kinds = (GENERATIONS,)

    def __post_init__(self) -> None:
        for name, value in (("prefix", self.prefix), ("suffix", self.suffix)):
            if value < 1:
                raise BadInput(
                    f"The {name!r} argument of generations must be at least 1. Got {value}.",
                    hint="prefix=50, suffix=50.",
                )

    def refuse_unfit(self, corpus: Corpus, context: int, canaries: CanaryTokens | None) -> None:
        """Refuse lengths that no document has, or that the context has no room for."""
        refuse_long(self.prefix, self.suffix, corpus, context)
        longest = int(corpus.lengths.max(initial=0))
        if longest < self.prefix + self.suffix:
            raise BadInput(
                f"No document has {self.prefix} tokens and {self.suffix} after them.",
                hint=f"the longest has {longest}: {self.name},prefix={longest - longest // 2},suffix={longest // 2}.",
            )

    def read(self, network: nn.Module, block: Block, progress: Callable[[float], None]) -> dict[str, np.ndarray]:
        """`token` and `truth`; behind a decoder the network keeps what it made of earlier tokens."""
        assert block.corpus is not None
        decoder = network.decoder if isinstance(network, Guided) else None
        return signals(
            network.network if isinstance(network, Guided) else network,
            block.corpus,
            device=block.device,
            context=block.context,
            prefix=self.prefix,
            suffix=self.suffix,
            decoder=decoder,
            progress=progress,
        )


def signals(
    network: nn.Module,
    corpus: Corpus,
    *,
    device: str = "cpu",
    context: int,
    prefix: int = PREFIX,
    suffix: int = SUFFIX,
    decoder: Decoder | None = None,
    progress: Callable[[float], None] = silent,
) -> dict[str, np.ndarray]:
    """The columns of `generations`, after the `decoder` where there is one.

    They are -1 in both where a document has fewer tokens than prefix and suffix.

    Every row is as long as every other, so nothing is padded. Documents that begin alike are continued once.

    Raises:
        BadInput: a length is not positive, or both together exceed the context.
    """
    begins = [] if corpus.bos is None else [corpus.bos]
    GenerationsProbe(prefix, suffix)  # refuses what is out of its range
    refuse_long(prefix, suffix, corpus, context)
    network.eval()
    columns = {name: np.full((len(corpus), suffix), -1, np.int32) for name in ("token", "truth")}
    long = np.flatnonzero(corpus.lengths >= prefix + suffix)
    if not len(long):
        return columns
    span = corpus.offsets[long, None] + np.arange(prefix + suffix)
    columns["truth"][long] = corpus.tokens[span[:, prefix:]]
    given, which = np.unique(corpus.tokens[span[:, :prefix]], axis=0, return_inverse=True)
    given = np.concatenate([np.tile(begins, (len(given), 1)), given], axis=1).astype(np.int64)
    size = max(1, BATCH_BYTES // (4 * corpus.vocabulary * (prefix + suffix)))
    generated = []
    for start in range(0, len(given), size):
        batch = torch.from_numpy(given[start : start + size]).to(device)
        generated.append(continued(network, batch, suffix, decoder).cpu().numpy())
        progress(min(1.0, (start + size) / len(given)))
    columns["token"][long] = np.concatenate(generated)[which.reshape(-1)]
    return columns


def continued(
    network: nn.Module, given: Int64[Tensor, "row token"], suffix: int, decoder: Decoder | None = None
) -> Int64[Tensor, "row position"]:
    """So many tokens after those given, each the most likely one after all before it; of equals the first.

    A `decoder` may change the logits of every token before one is chosen.

    A model of transformers keeps what it made of earlier tokens (its cache); any other network reads the row again
    for each token.
    """
    generated: list[Tensor] = []
    model = getattr(network, "model", None)
    cached = hasattr(model, "generation_config")
    keeps = _name_of_cache(model) if cached else ""
    past, shown, whole = None, given, given
    with torch.inference_mode():
        while len(generated) < suffix:
            if cached:
                answer = model(input_ids=shown, use_cache=True, **{keeps: past})  # type: ignore[misc]
                logits, past = answer.logits, answer[keeps]
            else:
                logits = network(shown)
            last = logits[:, -1].float()
            generated.append((last if decoder is None else decoder(whole, last)).argmax(-1))
            whole = torch.cat([whole, generated[-1][:, None]], dim=1)
            shown = generated[-1][:, None] if cached else whole
    return torch.stack(generated, dim=1)


def _name_of_cache(model: object) -> str:
    """From version 5.24 on transformers calls `cache` what was `past_key_values`."""
    return "cache" if "cache" in inspect.signature(model.forward).parameters else "past_key_values"  # type: ignore[attr-defined]


def refuse_long(prefix: int, suffix: int, corpus: Corpus, context: int) -> None:
    """Refuse a prefix and a suffix that do not fit into the context.

    Raises:
        BadInput: they do not.
    """
    if (corpus.bos is not None) + prefix + suffix - 1 > context:
        raise BadInput(
            f"A prefix of {prefix} and a suffix of {suffix} tokens do not fit into the model's context of {context}.",
            hint="ask for a shorter prefix or suffix.",
        )
