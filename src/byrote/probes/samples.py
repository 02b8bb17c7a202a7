"""Samples: what a language model writes by itself, without a prompt from its texts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from byrote.data.canary_tokens import CanaryTokens
from byrote.data.corpus import Corpus
from byrote.errors import BadInput
from byrote.evidence.kinds.samples import SAMPLES
from byrote.probes.contract import Block, TextProbe
from byrote.probes.decoder import Decoder, Guided
from byrote.probes.generations import BATCH_BYTES, continued
from byrote.probes.registry import probe

#: Only so many of the likeliest tokens are drawn.
TOP: Final = 40
#: The temperature falls from this one to 1 over so many tokens.
HOTTEST: Final = 10.0
COOLED: Final = 20
#: Held-out prompts have so many tokens, in turn.
PROMPTS: Final = (5, 6, 7, 8, 9, 10)
#: Prompts and draws are the same for all models.
SEED: Final = 17


@probe
@dataclass
class Samples(TextProbe):
    """`number` texts of `length` tokens by each strategy: the 40 likeliest tokens, and a temperature that falls from 10
    to 1 over 20 tokens, from the beginning of a text on; and the 40 likeliest after 5 to 10 tokens of held-out texts.

    Without held-out documents of 10 tokens the third is left out. All models draw with the same numbers.

    Source: Carlini et al. 2021, arXiv:2012.07805, sections 4-5.
    Differs: without a token for the beginning of a text a first token is drawn from the vocabulary; it does not count.
    """

    number: int = 64
    length: int = 64

    name: ClassVar[str] = "samples"
    kinds = (SAMPLES,)

    def refuse_unfit(self, corpus: Corpus, context: int, canaries: CanaryTokens | None) -> None:
        """Refuse texts that the context has no room for.

        Raises:
            BadInput: they are too long, or there are none.
        """
        room = context - max(PROMPTS) - 1
        if self.number < 1 or not 4 <= self.length <= room:
            raise BadInput(
                f"The probe samples takes at least 1 text of 4 to {room} tokens in a context of {context}. Got "
                f"{self.number} of {self.length}.",
                hint=f"samples,number=64,length={min(64, max(4, room))}",
            )

    def read(self, network: nn.Module, block: Block, progress: Callable[[float], None]) -> dict[str, np.ndarray]:
        """The columns of `samples` of one network."""
        assert block.corpus is not None
        guard = network.decoder if isinstance(network, Guided) else None
        bare = network.network if isinstance(network, Guided) else network
        bare.eval()
        columns: dict[str, list[np.ndarray]] = {"sample_token": [], "sample_log_probability": [], "strategy": []}
        prompts = beginnings(block.corpus, block.heldout_corpus, self.number)
        for done, (strategy, given) in enumerate(prompts):
            rng = np.random.default_rng([SEED, strategy, given.shape[1]])
            uniform = rng.random((len(given), self.length))
            size = max(1, BATCH_BYTES // (4 * block.corpus.vocabulary * (given.shape[1] + self.length)))
            for start in range(0, len(given), size):
                draw = Draw(uniform[start : start + size], cools=strategy == 1, guard=guard)
                shown = torch.from_numpy(given[start : start + size]).to(block.device)
                columns["sample_token"].append(continued(bare, shown, self.length, draw).cpu().numpy().astype(np.int32))
                columns["sample_log_probability"].append(torch.stack(draw.said, 1).cpu().numpy())
            columns["strategy"].append(np.full(len(given), strategy, np.int8))
            progress((done + 1) / len(prompts))
        return {name: np.concatenate(pieces) for name, pieces in columns.items()}


class Draw(Decoder):
    """Draws each next token by given numbers, and remembers how likely it was.

    Example:
        >>> draw = Draw(np.array([[0.9]]), cools=False)
        >>> chosen = draw(torch.zeros(1, 1, dtype=torch.int64), torch.tensor([[0.0, 0.0]]))
        >>> int(chosen.argmax()), round(float(draw.said[0]), 3)
        (1, -0.693)
    """

    def __init__(
        self, uniform: Float[np.ndarray, "row position"], *, cools: bool, guard: Decoder | None = None
    ) -> None:
        self.uniform, self.cools, self.guard = torch.from_numpy(uniform), cools, guard
        self.said: list[Tensor] = []

    def __call__(
        self, prefix: Int64[Tensor, "row token"], logits: Float[Tensor, "row vocabulary"]
    ) -> Float[Tensor, "row vocabulary"]:
        """Logits of which the one that was drawn is the highest."""
        step = len(self.said)
        log_p = logits.log_softmax(1)
        told = logits if self.guard is None else self.guard(prefix, logits)
        if self.cools:
            told = told / (HOTTEST + (1 - HOTTEST) * min(step / COOLED, 1.0))
        elif told.shape[1] > TOP:
            told = told.masked_fill(told < told.topk(TOP, dim=1).values[:, -1:], -torch.inf)
        shares = told.double().softmax(1).cumsum(1)
        below = shares <= self.uniform[:, step, None].to(shares.device) * shares[:, -1:]
        chosen = below.sum(1, keepdim=True).clamp(max=logits.shape[1] - 1)
        self.said.append(log_p.gather(1, chosen)[:, 0])
        return torch.full_like(logits, -torch.inf).scatter(1, chosen, 0.0)


def beginnings(corpus: Corpus, heldout: Corpus | None, number: int) -> list[tuple[int, Int64[np.ndarray, "row token"]]]:
    """What is given for so many texts of each strategy: its number, and rows of equal length."""
    rng = np.random.default_rng([SEED, 3])
    begin = (
        rng.integers(corpus.vocabulary, size=(number, 1)) if corpus.bos is None else np.full((number, 1), corpus.bos)
    )
    found = [(0, begin.astype(np.int64)), (1, begin.astype(np.int64))]
    long = np.empty(0, np.int64) if heldout is None else np.flatnonzero(heldout.lengths >= max(PROMPTS))
    if heldout is None or not len(long):
        return found
    rows = rng.permutation(np.resize(long, number))
    for place, size in enumerate(PROMPTS):
        tokens = [heldout.document(row)[:size] for row in rows[place :: len(PROMPTS)].tolist()]
        if tokens:
            given = np.stack(tokens).astype(np.int64)
            found.append((2, given if corpus.bos is None else np.insert(given, 0, corpus.bos, axis=1)))
    return found
