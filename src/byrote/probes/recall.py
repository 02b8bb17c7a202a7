"""ReCaLL: what a language model says of a document after held-out text, and of the same document alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Int
from torch import nn

from byrote.axes import EXAMPLE, MODEL
from byrote.data.canary_tokens import CanaryTokens
from byrote.data.corpus import Corpus, Encode
from byrote.errors import BadInput
from byrote.evidence.kind import OF_TEXT, Kind, Quantity
from byrote.probes import tokens
from byrote.probes.contract import Block, TextProbe
from byrote.probes.neighbours import mean_of_scored
from byrote.probes.registry import probe

_EACH = (MODEL, EXAMPLE)

RECALL = Kind(
    name="recall",
    says="what a language model says of a document after text that no model was trained on, and of the same alone",
    quantities={
        "given_log_probability": Quantity(
            _EACH, "float32", "nat per token", "mean over its tokens after that text; nan of documents that are in it"
        ),
        "alone_log_probability": Quantity(_EACH, "float32", "nat per token", "mean over the same tokens alone"),
    },
    tasks=OF_TEXT,
    recorded_by="audit into another folder with --probe recall",
)


@probe
@dataclass
class Recall(TextProbe):
    """The mean log-probability of each document after so many tokens of held-out documents, and without them.

    Both are of the same tokens: as many as the context has room for after the others. The held-out documents that
    stand before the others are not asked of themselves.

    Source: after Xie et al. 2024, arXiv:2406.15968.
    """

    before: int = 64

    name: ClassVar[str] = "recall"
    kinds = (RECALL,)

    def refuse_unfit(self, corpus: Corpus, context: int, canaries: CanaryTokens | None) -> None:
        """Refuse a context without room for a document after so many tokens.

        Raises:
            BadInput: it has none.
        """
        if context - self.before - (corpus.bos is not None) < 1:
            raise BadInput(
                f"{self.before} tokens before a document leave no room for it in a context of {context}.",
                hint=f"recall,before={max(1, context // 4)}",
            )

    def with_texts(self, corpus: Corpus, encode: Callable[[], Encode | None], heldout: Corpus | None = None) -> Recall:
        """The probe itself, where there are held-out documents.

        Raises:
            BadInput: there are none.
        """
        if heldout is None:
            raise BadInput(
                "The probe recall puts held-out documents before the others, and there are none.",
                hint="--heldout-documents FILE, or leave the probe out.",
            )
        return self

    def read(self, network: nn.Module, block: Block, progress: Callable[[float], None]) -> dict[str, np.ndarray]:
        """`given_log_probability` and `alone_log_probability` of one network, `[document]`."""
        assert block.corpus is not None
        assert block.heldout_corpus is not None, "without any it is refused before anything is read"
        before = block.heldout_corpus.tokens[: self.before]
        room = block.context - len(before) - (block.corpus.bos is not None)
        found = {}
        for number, (name, shown) in enumerate((("given", before), ("alone", before[:0]))):
            corpus = beginning(block.corpus, shown, room)

            def part(share: float, number: int = number) -> None:
                progress((number + share) / 2)

            read = tokens.signals(
                network, corpus, device=block.device, context=block.context, progress=part, likelihood_alone=True
            )
            found[name] = read["log_probability"]
        alone = beginning(block.corpus, before[:0], room)
        own = np.arange(len(alone.tokens)) + np.repeat(np.arange(1, len(alone) + 1), alone.lengths) * len(before)
        means = {"given": mean_of_scored(alone, found["given"][own]), "alone": mean_of_scored(alone, found["alone"])}
        used = np.searchsorted(block.heldout_corpus.offsets, len(before))
        there = np.isin(block.corpus.ids, block.heldout_corpus.ids[:used])
        return {
            f"{name}_log_probability": np.where(there, np.nan, each).astype(np.float32) for name, each in means.items()
        }


def beginning(corpus: Corpus, before: Int[np.ndarray, " token"], room: int) -> Corpus:
    """The first tokens of every document, at most `room`, after some others.

    Example:
        >>> from byrote.data.corpus import corpus_from_texts
        >>> corpus = corpus_from_texts(["abc", "d"]).tokenized(lambda _: [[0, 1, 2], [3]], vocabulary=9)
        >>> beginning(corpus, np.array([7, 8]), 2).tokens
        array([7, 8, 0, 1, 7, 8, 3], dtype=int32)
    """
    pieces = [np.concatenate([before, corpus.document(row)[:room]]) for row in range(len(corpus))]
    offsets = np.concatenate([[0], np.cumsum([len(piece) for piece in pieces])]).astype(np.int64)
    return dataclasses.replace(corpus, tokens=np.concatenate(pieces).astype(np.int32), offsets=offsets, answers=None)
