"""What a language model says of planted secrets, and of others from their spaces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float64, Int32
from torch import Tensor, nn

from byrote.data.canary_tokens import CanaryTokens, TokenizedCanary
from byrote.data.corpus import Corpus
from byrote.errors import BadInput
from byrote.evidence.kinds.canaries import CANARIES
from byrote.probes.aside import mapped
from byrote.probes.contract import Block, TextProbe
from byrote.probes.registry import probe
from byrote.probes.secret_search import RankBounds, search_rank
from byrote.probes.tokens import silent

#: Beginnings of secrets to ask about in the search for a canary's rank, at most, where its space is a large one.
NODES: Final = 512
#: A space of at most so many beginnings is searched to its end, as that of four digits, which has 1,111.
WHOLE: Final = 2048
#: Rows are asked about together while their logits hold about this many numbers.
NUMBERS: Final = 2**24
BIT: Final = float(np.log(2.0))


@probe
@dataclass
class CanariesProbe(TextProbe):
    """What each model says of the secrets that were planted.

    Attributes:
        nodes: as of `signals`.
    """

    nodes: int = NODES

    name: ClassVar[str] = "canaries"
    kinds = (CANARIES,)

    def refuse_unfit(self, corpus: Corpus, context: int, canaries: CanaryTokens | None) -> None:
        """Refuse a corpus of which no canaries are known."""
        if canaries is None:
            raise BadInput(
                "The probe 'canaries' asks about planted canaries, and none are known.",
                hint="plant some with `byrote plant`, and audit with --canaries canaries.json.",
            )

    def read(self, network: nn.Module, block: Block, progress: Callable[[float], None]) -> dict[str, np.ndarray]:
        """See `signals`."""
        assert block.corpus is not None
        assert block.canaries is not None, "refused before"
        return signals(
            network,
            block.corpus,
            canaries=block.canaries,
            device=block.device,
            context=block.context,
            nodes=self.nodes,
            cores=block.cores,
            progress=progress,
        )


def signals(
    network: nn.Module,
    corpus: Corpus,
    *,
    canaries: CanaryTokens,
    device: str | torch.device,
    context: int,
    progress: Callable[[float], None] = silent,
    nodes: int = NODES,
    cores: int = 1,
) -> dict[str, np.ndarray]:
    """The columns of `canaries`; every log-perplexity is over the tokens of the secret only.

    Args:
        network: token numbers in, logits out, in evaluation mode.
        corpus: the documents that `canaries` were tokenized for.
        canaries: what to ask about.
        device: where the network is.
        context: tokens that it sees at once.
        progress: told the share that is done.
        nodes: beginnings to ask about in the exact search for a canary's rank, at most, in a space of more than 2,048
            of them; smaller ones are searched to their end. 0 for no search.
        cores: canaries to ask about at the same time.

    Raises:
        BadInput: a canary does not fit into the context, the corpus is another, or logits are not finite.
    """
    if len(canaries.document) != len(corpus) or canaries.bos != corpus.bos:
        raise BadInput(
            f"The canaries were tokenized for another corpus than {corpus.name!r}.",
            hint="tokenize_canaries(canaries, corpus, encode, context=…) once more.",
        )
    longest = max(canary.rows.shape[1] for canary in canaries.canaries) - (canaries.bos is None)
    if longest > context:
        raise BadInput(
            f"A canary has {longest} tokens to be read at once, and the model sees {context}.",
            hint="plant canaries of a shorter kind.",
        )
    count = len(canaries.canaries)
    reader = _Reader(network, torch.device(device), canaries.bos)
    own = np.empty(count, np.float32)
    others = np.full((count, canaries.references), np.nan, np.float32)
    least, most = np.full(count, np.nan), np.full(count, np.nan)

    @torch.no_grad()
    def asked(canary: TokenizedCanary) -> tuple[np.ndarray, RankBounds | None]:
        values = reader.log_perplexities(canary.rows, canary.span)
        searched = canary.tree is not None and nodes > 0
        return values, _searched(reader, canary, float(values[0]), nodes) if searched else None

    for number, (values, found) in enumerate(mapped(asked, canaries.canaries, cores=cores)):
        own[number], others[number, : len(values) - 1] = values[0], values[1:]
        if found is not None:
            least[number], most[number] = found.least, found.most
        progress((number + 1) / count)
    return {
        "log_perplexity": own,
        "reference_log_perplexity": others,
        "repetitions": canaries.repetitions,
        "space_bits": canaries.space_bits,
        "rank_least": least,
        "rank_most": most,
        "document": canaries.document,
    }


def _searched(reader: _Reader, canary: TokenizedCanary, log_perplexity: float, nodes: int) -> RankBounds:
    assert canary.tree is not None
    before = canary.rows[0, : canary.rows.shape[1] - canary.span].tolist()

    def ask(beginnings: Sequence[Sequence[int]]) -> np.ndarray:
        return reader.following([[*before, *tokens] for tokens in beginnings])

    budget = max(nodes, canary.tree.nodes if canary.tree.nodes <= WHOLE else 0)
    return search_rank(
        canary.tree, canary.span, log_perplexity, ask, size=float(round(2.0**canary.space_bits)), budget=budget
    )


class _Reader:
    """A network that is asked in rows of tokens, without padding before them."""

    def __init__(self, network: nn.Module, device: torch.device, bos: int | None) -> None:
        self.network, self.device = network, device
        self.bos = [] if bos is None else [bos]
        self.classes = 0

    def log_perplexities(self, rows: Int32[np.ndarray, "row token"], span: int) -> Float64[np.ndarray, " row"]:
        """Sum of -log2 p over the last `span` tokens of each row."""
        first = np.tile(np.array(self.bos, np.int64), (len(rows), 1))
        tokens = torch.from_numpy(np.concatenate([first, rows.astype(np.int64)], axis=1)).to(self.device)
        sums = []
        for some in self._parts(tokens):
            log_p = F.log_softmax(self._logits(some[:, :-1])[:, -span:].float(), -1)
            sums.append(log_p.gather(-1, some[:, -span:, None])[..., 0].double().sum(1))
        found: np.ndarray = (torch.cat(sums) / -BIT).cpu().numpy()
        return found

    def following(self, beginnings: Sequence[Sequence[int]]) -> Float64[np.ndarray, "beginning vocabulary"]:
        """-log2 p of every token after each beginning; shorter ones are padded at their end, which they do not see."""
        rows = [[*self.bos, *tokens] for tokens in beginnings]
        longest = max(map(len, rows))
        padded = torch.tensor([row + [0] * (longest - len(row)) for row in rows], device=self.device)
        last = torch.tensor([len(row) - 1 for row in rows], device=self.device)
        found = []
        for some, at in zip(self._parts(padded), self._parts(last, longest), strict=True):
            logits = self._logits(some)[torch.arange(len(some), device=self.device), at]
            found.append(F.log_softmax(logits.float(), -1).double() / -BIT)
        costs: np.ndarray = torch.cat(found).cpu().numpy()
        return costs

    def _parts(self, rows: Tensor, length: int = 0) -> Sequence[Tensor]:
        tokens = length or rows.shape[1]
        if not self.classes:
            self.classes = self._logits(rows[:1]).shape[-1]
        return torch.split(rows, max(1, NUMBERS // (tokens * self.classes)))

    def _logits(self, rows: Tensor) -> Tensor:
        logits: Tensor = self.network(rows)
        if not bool(torch.isfinite(logits).all()):
            raise BadInput(
                "The model's logits on the canaries are not all finite.",
                hint="did its training diverge? Half precision may overflow: load it in float32.",
            )
        return logits
