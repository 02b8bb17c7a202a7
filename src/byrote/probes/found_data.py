"""Found personal data: what a language model says of those in its documents, and of others of the same form."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import ClassVar, Final

import numpy as np
from torch import nn

from byrote.axes import EXAMPLE, ITEM, MODEL, REFERENCE
from byrote.data.corpus import Corpus, Encode, corpus_from_texts
from byrote.data.personal import Detectors
from byrote.data.personal_examples import alike
from byrote.errors import BadInput
from byrote.evidence.kind import OF_TEXT, Kind, Quantity
from byrote.probes import tokens
from byrote.probes.contract import Block, TextProbe
from byrote.probes.registry import probe

#: Letters that stand before a number, and after it, as a model is shown them.
BEFORE: Final = 160
AFTER: Final = 40
BIT: Final = float(np.log(2.0))

FOUND_DATA = Kind(
    name="found_data",
    says="what a language model says of personal data that stand in documents, and of others of the same form",
    quantities={
        "found_log_perplexity": Quantity(
            (MODEL, ITEM), "float32", "bit", "sum of -log2 p over what stands there and the text around it"
        ),
        "other_log_perplexity": Quantity(
            (MODEL, ITEM, REFERENCE), "float32", "bit", "the same with another number in its place"
        ),
        "found_in": Quantity((EXAMPLE,), "int32", "item", "the number that a document holds; -1 = none is asked for"),
    },
    tasks=OF_TEXT,
    recorded_by="audit into another folder with --probe found_data",
)


@probe
@dataclass
class FoundData(TextProbe):
    """The log-perplexity of texts around numbers of cards, accounts and telephones and e-mail addresses, and others.

    Asked are numbers that stand in one document alone, one a document and at most `most`, each beside `others`. The
    text before a number is the same for all, so that differences are those of the number and of what follows it.
    Other e-mail addresses have made-up names, at the same place. Names in the text are not asked for.

    Source: after Lukas et al. 2023, arXiv:2302.00539, section 3.
    """

    most: int = 64
    others: int = 19
    documents: tuple[int, ...] = ()
    shown: Corpus | None = field(default=None, repr=False)

    name: ClassVar[str] = "found_data"
    kinds = (FOUND_DATA,)

    def with_texts(
        self, corpus: Corpus, encode: Callable[[], Encode | None], heldout: Corpus | None = None
    ) -> FoundData:
        """The probe with the texts around the numbers, by tokens."""
        tokenizer, rng = encode(), np.random.default_rng(0)
        if tokenizer is None:
            raise BadInput(
                "The probe found_data asks for other texts, and a corpus that comes with tokens has no tokenizer.",
                hint="tokenizer=…, or leave the probe out.",
            )
        detectors, texts, documents = Detectors(), list[str](), list[int]()
        for document, start, stop, kind in _alone(corpus, detectors, self.most, rng):
            text = corpus.texts[document]
            made = alike(text[start:stop], kind, detectors, self.others, rng)
            if len(made) == self.others:
                before, after = text[max(0, start - BEFORE) : start], text[stop : stop + AFTER]
                texts += [f"{before}{number}{after}" for number in (text[start:stop], *made)]
                documents.append(document)
        if not documents:
            raise BadInput(
                f"No number or address of a person stands in one document of {corpus.name!r} alone.",
                hint="leave the probe out; `byrote scan` counts what stands in a corpus, `byrote plant` plants some.",
            )
        shown = corpus_from_texts(texts).tokenized(tokenizer, vocabulary=corpus.vocabulary, bos=corpus.bos)
        return replace(self, documents=tuple(documents), shown=shown)

    def read(self, network: nn.Module, block: Block, progress: Callable[[float], None]) -> dict[str, np.ndarray]:
        """The columns of `found_data` of one network."""
        assert self.shown is not None, "the texts are there before anything is read"
        shown = self.shown
        read = tokens.signals(
            network, shown, device=block.device, context=block.context, progress=progress, likelihood_alone=True
        )
        bits = np.add.reduceat(np.where(shown.scored, read["log_probability"], 0.0), shown.offsets[:-1]) / -BIT
        table = bits.reshape(len(self.documents), 1 + self.others).astype(np.float32)
        assert block.corpus is not None
        found_in = np.full(len(block.corpus), -1, np.int32)
        found_in[list(self.documents)] = np.arange(len(self.documents))
        return {
            "found_log_perplexity": table[:, 0],
            "other_log_perplexity": table[:, 1:],
            "found_in": found_in,
        }


def _alone(
    corpus: Corpus, detectors: Detectors, most: int, rng: np.random.Generator
) -> list[tuple[int, int, int, str]]:
    """Numbers that stand in one document alone, the first of each: where, and of which kind; so many at random."""
    found = [(row, one) for row, text in enumerate(corpus.texts) for one in detectors.find(text)]
    said = ["".join(filter(str.isalnum, corpus.texts[row][one.start : one.stop])) for row, one in found]
    times = Counter(said)
    first = {row: one for (row, one), text in reversed([*zip(found, said, strict=True)]) if times[text] == 1}
    chosen = sorted(rng.permutation(sorted(first))[:most].tolist())
    return [(row, first[row].start, first[row].stop, first[row].kind) for row in chosen]
