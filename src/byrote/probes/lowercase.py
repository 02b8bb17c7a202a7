"""Lower case: what a language model says of documents whose capitals are small letters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
from torch import nn

from byrote.axes import EXAMPLE, MODEL
from byrote.data.corpus import Corpus, Encode
from byrote.errors import BadInput
from byrote.evidence.kind import OF_TEXT, Kind, Quantity
from byrote.probes import tokens
from byrote.probes.contract import Block, TextProbe
from byrote.probes.registry import probe

LOWERCASE = Kind(
    name="lowercase",
    says="what a language model says of a document in small letters alone",
    quantities={
        "lowercase_log_probability": Quantity(
            (MODEL, EXAMPLE), "float32", "nat", "sum over its scored tokens; nan of a document without capitals"
        ),
    },
    tasks=OF_TEXT,
    recorded_by="audit into another folder with --probe lowercase",
)


@probe
@dataclass
class Lowercase(TextProbe):
    """The log-probability of each document in small letters, as the tokenizer of the corpus cuts them.

    Source: Carlini et al. 2021, arXiv:2012.07805, section 5.1.
    """

    lowered: Corpus | None = field(default=None, repr=False)

    name: ClassVar[str] = "lowercase"
    kinds = (LOWERCASE,)

    def with_texts(
        self, corpus: Corpus, encode: Callable[[], Encode | None], heldout: Corpus | None = None
    ) -> Lowercase:
        """The probe with the texts in small letters, by tokens."""
        tokenizer = encode()
        if tokenizer is None:
            raise BadInput(
                "The probe lowercase asks for other texts, and a corpus that comes with tokens has no tokenizer.",
                hint="tokenizer=…, or leave the probe out.",
            )
        small = corpus.replace(texts=tuple(text.lower() for text in corpus.texts))
        return replace(self, lowered=small.tokenized(tokenizer, vocabulary=corpus.vocabulary, bos=corpus.bos))

    def read(self, network: nn.Module, block: Block, progress: Callable[[float], None]) -> dict[str, np.ndarray]:
        """`lowercase_log_probability[document]` of one network."""
        assert block.corpus is not None
        assert self.lowered is not None, "the texts are there before anything is read"
        small = self.lowered
        read = tokens.signals(
            network, small, device=block.device, context=block.context, progress=progress, likelihood_alone=True
        )
        sums = np.add.reduceat(np.where(small.scored, read["log_probability"], 0.0), small.offsets[:-1])
        same = np.array([one == other for one, other in zip(block.corpus.texts, small.texts, strict=True)])
        bare = np.add.reduceat(small.scored.astype(np.int64), small.offsets[:-1]) == 0
        return {"lowercase_log_probability": np.where(same | bare, np.nan, sums).astype(np.float32)}
