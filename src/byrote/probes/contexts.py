"""Contexts: whether one and the same suffix is extracted after few tokens before it or after many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
import torch
from torch import nn

from byrote.data.canary_tokens import CanaryTokens
from byrote.data.corpus import Corpus
from byrote.errors import BadInput
from byrote.evidence.kinds.documents import CONTEXTS
from byrote.probes.contract import Block, TextProbe
from byrote.probes.registry import probe
from byrote.probes.tokens import silent

#: Tokens given, one after the other; with the suffix after them no more than `generations` asks for.
LENGTHS: Final = (10, 25, 50)
#: Logits of one batch take about so many bytes.
BATCH_BYTES: Final = 2**25


@probe
@dataclass
class ContextsProbe(TextProbe):
    """The same suffix after several numbers of tokens before it.

    Attributes:
        lengths: how many tokens are given, with ";" between the numbers.
        suffix: tokens after them.
    """

    lengths: str = ";".join(map(str, LENGTHS))
    suffix: int = 50

    name: ClassVar[str] = "contexts"
    kinds = (CONTEXTS,)

    def __post_init__(self) -> None:
        if not self.numbers or min(*self.numbers, self.suffix) < 1:
            raise _out_of_range(self.lengths, self.suffix)

    @property
    def numbers(self) -> tuple[int, ...]:
        """The lengths."""
        words = [word.strip() for word in self.lengths.split(";")]
        return tuple(map(int, words)) if all(map(str.isdecimal, words)) else ()

    def refuse_unfit(self, corpus: Corpus, context: int, canaries: CanaryTokens | None) -> None:
        """Refuse lengths that the context has no room for."""
        _refuse_long(max(self.numbers), self.suffix, corpus, context)

    def read(self, network: nn.Module, block: Block, progress: Callable[[float], None]) -> dict[str, np.ndarray]:
        """`reached`, `length` and `asked`."""
        assert block.corpus is not None
        sizes: dict[str, Any] = {"lengths": self.numbers, "suffix": self.suffix}
        return signals(network, block.corpus, device=block.device, context=block.context, progress=progress, **sizes)


def signals(
    network: nn.Module,
    corpus: Corpus,
    *,
    device: str = "cpu",
    context: int,
    lengths: Sequence[int] = LENGTHS,
    suffix: int = 50,
    progress: Callable[[float], None] = silent,
) -> dict[str, np.ndarray]:
    """The columns of `contexts`.

    Asked are documents that have the longest of the lengths and then the suffix. The suffix is the same for every
    length, and so are the tokens that end before it; only how many of these are given differs. The BOS token, where
    there is one, stands before each.

    This is for models that met their documents in pieces, as large ones do. One that met a document only whole, after
    its BOS token, is at a loss in its middle; there, vary the `prefix` of `discoverable_extraction`.

    Raises:
        BadInput: a length is not positive, or the longest and the suffix together exceed the context.
    """
    begins = [] if corpus.bos is None else [corpus.bos]
    longest = max(lengths, default=0)
    if min(lengths, default=0) < 1 or suffix < 1:
        raise _out_of_range(list(lengths), suffix)
    _refuse_long(longest, suffix, corpus, context)
    network.eval()
    asked = corpus.lengths >= longest + suffix
    rows = np.flatnonzero(asked)
    reached = np.zeros((len(lengths), len(corpus)), bool)
    size = max(1, BATCH_BYTES // (4 * corpus.vocabulary * (longest + suffix)))
    for number, length in enumerate(lengths):
        for start in range(0, len(rows), size):
            chosen = rows[start : start + size]
            span = corpus.offsets[chosen, None] + np.arange(longest - length, longest + suffix)
            tokens = corpus.tokens[span].astype(np.int64)
            shown = np.concatenate([np.tile(np.array(begins, np.int64), (len(chosen), 1)), tokens[:, :-1]], axis=1)
            with torch.inference_mode():
                logits = network(torch.from_numpy(shown).to(device))[:, -suffix:].float()
                true = torch.from_numpy(tokens[:, -suffix:]).to(device)[..., None]
                others = logits.scatter(-1, true, -torch.inf).amax(-1)
                right = (logits.gather(-1, true)[..., 0] > others).all(1)
            reached[number, chosen] = right.cpu().numpy()
            progress((number + min(1.0, (start + size) / len(rows))) / len(lengths))
    return {"reached": reached, "length": np.array(lengths, np.int64), "asked": asked}


def _out_of_range(lengths: object, suffix: int) -> BadInput:
    return BadInput(
        f"The lengths of context and suffix must be at least 1. Got {lengths} and {suffix}.",
        hint="lengths=(10, 25, 50), suffix=50; on the command line contexts,lengths=10;25;50,suffix=50.",
    )


def _refuse_long(longest: int, suffix: int, corpus: Corpus, context: int) -> None:
    if (corpus.bos is not None) + longest + suffix - 1 > context:
        raise BadInput(
            f"{longest} tokens and a suffix of {suffix} do not fit into the model's context of {context}.",
            hint="ask for a shorter context or suffix.",
        )
