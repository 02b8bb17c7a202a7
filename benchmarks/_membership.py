"""Membership of texts: what all scores cost beside the passes through the network that they need.

All scores of 2,000 documents, from readings to attacks, against the bare passes: forward for the tokens, the text in
small letters, eight neighbours, and twice for ReCaLL; forward and backward of each document for the norm of its
gradient. CPU seconds, both sides interleaved. Attacks by other models are asked of 16 models, whose scores are those of
one and noise. The network is the tiny GPT of the documentation audit, not trained.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import torch
from _timing import interleaved, ratio
from torch import nn

from byrote.cli.language_sources import docs_recipe
from byrote.data.corpus import Corpus, batches_of_rows, corpus_from_texts
from byrote.data.python_docs import python_docs
from byrote.data.tokenizers import BEGIN, byte_pairs, encoder
from byrote.measures.catalog import find
from byrote.probes import tokens
from byrote.probes.compressed import Compressed
from byrote.probes.contract import Block
from byrote.probes.document_gradients import DocumentGradients
from byrote.probes.lowercase import Lowercase
from byrote.probes.neighbours import Neighbours, replaced
from byrote.probes.recall import Recall, beginning
from byrote.recipes.algorithm import Shape

Figures = tuple[dict[str, float], dict[str, float]]
CONTEXT, WORDS, MODELS = 128, 40, 16
ALONE = ("", "[min_k]", "[min_k_plus_plus]", "[dc_pdd]", "[neighbours]", "[zlib]", "[recall]", "[lowercase]")
SCORES = (*(f"text_loss_attack{name}" for name in ALONE), "text_loss_attack[gradient_norm]")
BESIDE_OTHERS = ("reference_attack", "lira[text]", "rmia[text]")


def prepared(documents: int) -> tuple[nn.Module, Block, Callable[[list[str]], Any]]:
    """A network that was not trained, so many documents and some held-out ones, and the tokenizer."""
    words = " ".join(python_docs().texts).split()
    pieces = [" ".join(words[start : start + WORDS]) for start in range(0, len(words), WORDS)]
    corpus = corpus_from_texts([f"{number} {pieces[number % len(pieces)]}" for number in range(documents + 20)])
    tokenizer = byte_pairs(corpus.texts)
    size, encode = tokenizer.get_vocab_size(), encoder(tokenizer)
    corpus = corpus.tokenized(encode, vocabulary=size, bos=tokenizer.token_to_id(BEGIN))
    shape = Shape(inputs=(CONTEXT,), classes=size, examples=len(corpus))
    algorithm = docs_recipe().bind(shape, torch.device("cpu"))
    some, held = corpus.subset(np.arange(documents)), corpus.subset(np.arange(documents, len(corpus)))
    block = SimpleNamespace(corpus=some, heldout_corpus=held, context=CONTEXT, device="cpu")
    return algorithm.network(algorithm.init(0)).eval(), cast(Block, block), encode


def passed(network: nn.Module, corpus: Corpus) -> None:
    """The bare forward pass over the batches of a reading."""
    rows = tokens.rows_of(corpus, np.arange(len(corpus)), CONTEXT)
    room = max(1, tokens.BATCH_BYTES // (4 * corpus.vocabulary))
    with torch.inference_mode():
        for batch in batches_of_rows(rows.stop - rows.start, room):
            network(torch.from_numpy(tokens._batch(corpus, rows, batch)[0]))


def learned(network: nn.Module, corpus: Corpus) -> None:
    """Forward and backward of one document after another."""
    for row in range(len(corpus)):
        shown = torch.from_numpy(corpus.document(row).astype(np.int64))[None]
        network.zero_grad()
        nn.functional.cross_entropy(network(shown[:, :-1]).flatten(0, 1), shown[0, 1:]).backward()


def membership(quick: bool) -> Figures:
    """The seconds of all scores over those of the passes that they need."""
    network, block, encode = prepared(200 if quick else 2000)
    assert block.corpus is not None
    assert block.heldout_corpus is not None
    corpus, recall, neighbours = block.corpus, Recall(before=32), Neighbours()
    small = corpus.replace(texts=tuple(text.lower() for text in corpus.texts))
    small = small.tokenized(encode, vocabulary=corpus.vocabulary, bos=corpus.bos)
    before, room = block.heldout_corpus.tokens[: recall.before], CONTEXT - recall.before - 1
    shown = [beginning(corpus, before, room), beginning(corpus, before[:0], room)]
    drawn = [replaced(corpus, neighbours.share, number) for number in range(neighbours.number)]
    shown += [corpus, small, *(corpus.replace(tokens=one) for one in drawn)]
    member = np.stack([np.arange(len(corpus)) % 2, 1 - np.arange(len(corpus)) % 2] * (MODELS // 2)).astype(np.int8)
    noise = np.random.default_rng(0).normal(0, 0.1, (MODELS, 1)).astype(np.float32)

    def scores() -> None:
        read = {f"tokens.{name}": one[None] for name, one in tokens.signals(network, corpus, context=CONTEXT).items()}
        read |= {"corpus.token": corpus.tokens, "corpus.offsets": corpus.offsets, "corpus.scored": corpus.scored}
        asked = Lowercase().with_texts(corpus, lambda: encode)
        for one in (neighbours, recall, asked, Compressed(), DocumentGradients()):
            found = one.read(network, block, tokens.silent)
            read |= {f"{one.kinds[0].name}.{name}": column[None] for name, column in found.items()}
        for key in SCORES:
            entry = find(key)
            entry.function(**{name: read[need] for name, need in entry.parameters.items()})
        others = read | {"tokens.log_probability": read["tokens.log_probability"] + noise}
        others |= {"design.member": member, "design.pair": np.arange(MODELS) // 2, "design.stratum": 0 * member}
        for key in BESIDE_OTHERS:
            entry = find(key)
            entry.function(**{name: others[need] for name, need in entry.parameters.items()})

    def passes() -> None:
        for one in shown:
            passed(network, one)
        learned(network, corpus)

    seconds = interleaved({"scores": scores, "passes": passes}, rounds=3, clock=time.process_time)
    name = "membership scores: times the passes that they need"
    return {
        name: ratio(seconds, slow="scores", fast="passes"),
        "membership scores: CPU seconds": min(seconds["scores"]),
    }, {name: 1.3}
