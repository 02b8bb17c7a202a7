"""Neighbours: what a language model says of texts that differ from a document in a few tokens, drawn at random."""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float, Int32
from torch import nn

from byrote.axes import EXAMPLE, MODEL
from byrote.data.corpus import Corpus
from byrote.errors import BadInput
from byrote.evidence.kind import OF_TEXT, Kind, Quantity
from byrote.probes import tokens
from byrote.probes.contract import Block, TextProbe
from byrote.probes.registry import probe

NEIGHBOURS = Kind(
    name="neighbours",
    says="what a language model says of texts that differ from a document in a few tokens",
    quantities={
        "neighbour_log_probability": Quantity(
            (MODEL, EXAMPLE),
            "float32",
            "nat per token",
            "mean over neighbours and their scored tokens; nan without any",
        ),
    },
    tasks=OF_TEXT,
    recorded_by="audit into another folder with --probe neighbours",
)


@probe
@dataclass
class Neighbours(TextProbe):
    """The mean log-probability of `number` neighbours, which differ in a `share` of the tokens.

    All models are asked of the same neighbours; those of a document depend on it and on the corpus alone.

    Source: after Mattern et al. 2023, arXiv:2305.18462.
    Differs: they let another language model choose what replaces a token; here it is drawn as tokens are frequent.
    """

    number: int = 8
    share: float = 0.1

    name: ClassVar[str] = "neighbours"
    kinds = (NEIGHBOURS,)

    def __post_init__(self) -> None:
        if self.number < 1 or not 0 < self.share <= 1:
            raise BadInput(
                "Neighbours must be at least 1, and differ in a share in (0, 1] of the tokens. "
                f"Got {self.number} and {self.share}.",
                hint="neighbours,number=8,share=0.1",
            )

    def read(self, network: nn.Module, block: Block, progress: Callable[[float], None]) -> dict[str, np.ndarray]:
        """`neighbour_log_probability[document]` of one network."""
        assert block.corpus is not None
        corpus, total = block.corpus, np.zeros(len(block.corpus))
        for draw in range(self.number):

            def part(share: float, draw: int = draw) -> None:
                progress((draw + share) / self.number)

            drawn = dataclasses.replace(corpus, tokens=replaced(corpus, self.share, draw), answers=None)
            read = tokens.signals(
                network, drawn, device=block.device, context=block.context, progress=part, likelihood_alone=True
            )
            total += mean_of_scored(corpus, read["log_probability"])
        return {"neighbour_log_probability": (total / self.number).astype(np.float32)}


def replaced(corpus: Corpus, share: float, draw: int) -> Int32[np.ndarray, " token"]:
    """The tokens with a share of each document's, at least one, drawn anew from the tokens of the corpus."""
    found = corpus.tokens.copy()
    for start, stop in zip(corpus.offsets[:-1].tolist(), corpus.offsets[1:].tolist(), strict=True):
        rng = np.random.default_rng([zlib.crc32(corpus.tokens[start:stop].tobytes()), draw])
        places = start + rng.permutation(stop - start)[: max(1, round(share * (stop - start)))]
        found[places] = corpus.tokens[rng.integers(len(found), size=len(places))]
    return found


def mean_of_scored(corpus: Corpus, values: Float[np.ndarray, " token"]) -> Float[np.ndarray, " document"]:
    """The mean over the scored tokens of each document; nan of none.

    Example:
        >>> from byrote.data.corpus import corpus_from_texts
        >>> corpus = corpus_from_texts(["ab", "c"]).tokenized(lambda _: [[0, 1], [2]], vocabulary=3)
        >>> mean_of_scored(corpus, np.array([np.nan, -1.0, np.nan]))
        array([-1., nan])
    """
    begins = corpus.offsets[:-1]
    count = np.add.reduceat(corpus.scored.astype(np.int64), begins)
    sums = np.add.reduceat(np.where(corpus.scored, values, 0.0), begins)
    return np.asarray(sums / np.where(count, count, np.nan))
