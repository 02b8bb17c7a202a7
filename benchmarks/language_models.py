"""Claim: one forward pass over a corpus serves every measure of a language model, at little more than its own price.

On the tiny GPT of the documentation audit and CPython's own documentation, both sides interleaved in one run:
discoverable extraction by reading against transformers' `generate` at batch 1 (bar 6 times as fast) and at the fastest
of several batches (never slower); token signals against the bare forward pass over the same batches (.85 of its speed);
one pass for all measures against a pass for each; counts in a suffix array against plain search; near-duplicates by
MinHash against datasketch where it is installed, and against all pairs. Reading and generating must extract the same
documents. The network is trained for a moment, so that some are extracted.

Usage: python benchmarks/language_models.py [--quick]; `--quick` takes fewer documents and rounds.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib.util import find_spec
from itertools import combinations

import numpy as np
import torch
from _timing import finish, interleaved, ratio
from torch import nn

from byrote.cli.language_sources import docs_recipe
from byrote.data.corpus import Corpus, batches_of_rows, corpus_from_texts
from byrote.data.index.corpus_index import index_texts
from byrote.data.index.near_duplicates import jaccard, near_duplicates, shingles
from byrote.data.python_docs import python_docs
from byrote.data.tokenizers import BEGIN, byte_pairs, encoder
from byrote.engine.packing import batch_of, packed
from byrote.measures.discoverable_extraction import discoverable_extraction, discoverable_extraction_margin
from byrote.measures.extraction_strength import extraction_strength
from byrote.measures.probabilistic_extraction import (
    probabilistic_extraction,
    probabilistic_extraction_queries,
    probabilistic_extraction_top_k,
)
from byrote.probes import tokens
from byrote.recipes.algorithm import Shape

CONTEXT, PREFIX, SUFFIX = 256, 50, 50
BATCHES = (16, 64, 256)
BARS = {
    "extraction over generate at batch 1": 6.0,
    "extraction over generate at its best batch": 1.0,
    "token signals: share of the bare pass's speed": 0.85,
    "one pass for all over one for each": 3.0,
    "suffix array over plain search": 1.0,
    "MinHash over all pairs": 1.0,
    "extracted alike by reading and by generate": 1.0,
}


def prepared(documents: int, steps: int) -> tuple[nn.Module, Corpus]:
    """A network that was trained for so many steps on documents long enough, and all of those."""
    corpus = python_docs()
    tokenizer = byte_pairs(corpus.texts)
    corpus = corpus.tokenized(
        encoder(tokenizer), vocabulary=tokenizer.get_vocab_size(), bos=tokenizer.token_to_id(BEGIN)
    )
    long = corpus.subset(np.flatnonzero(corpus.lengths >= PREFIX + SUFFIX)[:documents])
    recipe = docs_recipe()
    shape = Shape(inputs=(CONTEXT,), classes=corpus.vocabulary, examples=len(long))
    algorithm = recipe.bind(shape, torch.device("cpu"))
    state = algorithm.begin(algorithm.init(0), max(1, steps))
    rows = torch.from_numpy(packed(long, np.arange(8), CONTEXT).astype(np.int64))  # a few, until they are known
    for _ in range(steps):
        state, _ = algorithm.step(state, batch_of(rows))
    return algorithm.network(state).eval(), long


def beginnings(corpus: Corpus) -> Corpus:
    """The first prefix and suffix of each document, which is all that extraction reads."""
    span = corpus.offsets[:-1, None] + np.arange(PREFIX + SUFFIX)
    offsets = np.arange(len(corpus) + 1, dtype=np.int64) * (PREFIX + SUFFIX)
    return corpus.replace(tokens=corpus.tokens[span].ravel(), offsets=offsets)


def extracted(network: nn.Module, corpus: Corpus) -> np.ndarray:
    """By reading: which documents go on as they do."""
    hit = tokens.signals(network, corpus, context=CONTEXT)["hit"]
    member = np.ones((1, len(corpus)), np.int8)
    return discoverable_extraction(hit[None], corpus.offsets, corpus.scored, member).values


def generated(network: nn.Module, corpus: Corpus, batch: int) -> np.ndarray:
    """By transformers' own greedy generation."""
    rows = corpus.tokens.reshape(len(corpus), PREFIX + SUFFIX).astype(np.int64)
    given = torch.from_numpy(np.concatenate([np.full((len(rows), 1), corpus.bos), rows[:, :PREFIX]], axis=1))
    found = []
    with torch.inference_mode():
        for start in range(0, len(rows), batch):
            part = given[start : start + batch]
            said = network.model.generate(  # type: ignore[operator, union-attr]
                part,
                attention_mask=torch.ones_like(part),
                max_new_tokens=SUFFIX,
                do_sample=False,
                eos_token_id=None,
                pad_token_id=0,
            )
            found.append(said[:, PREFIX + 1 :].numpy())
    return (np.concatenate(found) == rows[:, PREFIX:]).all(1)


def extraction(network: nn.Module, corpus: Corpus, rounds: int, one_by_one: int) -> dict[str, float]:
    """Reading against generating."""
    whole, few = beginnings(corpus), beginnings(corpus.subset(np.arange(min(one_by_one, len(corpus)))))
    seconds = interleaved(
        {
            "reading few": lambda: extracted(network, few),
            "batch 1": lambda: generated(network, few, 1),
            "reading": lambda: extracted(network, whole),
            **{f"batch {size}": lambda size=size: generated(network, whole, size) for size in BATCHES},
        },
        rounds,
    )
    best = min((f"batch {size}" for size in BATCHES), key=lambda name: min(seconds[name]))
    read, said = extracted(network, whole), generated(network, whole, BATCHES[-1])
    print(f"{len(whole)} documents, {int(said.sum())} extracted; generate is fastest at {best}")
    return {
        "extraction over generate at batch 1": ratio(seconds, "batch 1", "reading few"),
        "extraction over generate at its best batch": ratio(seconds, best, "reading"),
        "extracted alike by reading and by generate": float((read == said).mean()),
    }


def signals(network: nn.Module, corpus: Corpus, rounds: int) -> dict[str, float]:
    """All that is recorded of a token against the network alone, on the very same batches."""
    rows = tokens.rows_of(corpus, np.unique(tokens.originals(corpus)), CONTEXT)
    room = max(1, tokens.BATCH_BYTES // (4 * corpus.vocabulary))
    batches = [tokens._batch(corpus, rows, batch)[0] for batch in batches_of_rows(rows.stop - rows.start, room)]

    def bare() -> None:
        with torch.inference_mode():
            for inputs in batches:
                network(torch.from_numpy(inputs))

    seconds = interleaved({"bare": bare, "signals": lambda: tokens.signals(network, corpus, context=CONTEXT)}, rounds)
    return {"token signals: share of the bare pass's speed": ratio(seconds, "bare", "signals")}


def one_pass(network: nn.Module, corpus: Corpus, rounds: int) -> dict[str, float]:
    """Six measures from one reading, or from one each."""
    member = np.ones((1, len(corpus)), np.int8)
    measures: list[tuple[Callable[..., object], tuple[str, ...]]] = [
        (discoverable_extraction, ("hit",)),
        (discoverable_extraction_margin, ("margin",)),
        (extraction_strength, ("hit",)),
        (probabilistic_extraction, ("log_probability",)),
        (probabilistic_extraction_queries, ("log_probability",)),
        (probabilistic_extraction_top_k, ("log_probability", "rank")),
    ]

    def measured(read: dict[str, np.ndarray], which: int) -> None:
        function, needs = measures[which]
        function(*(read[name][None] for name in needs), corpus.offsets, corpus.scored, member)

    def together() -> None:
        read = tokens.signals(network, corpus, context=CONTEXT)
        for which in range(len(measures)):
            measured(read, which)

    def apart() -> None:
        for which in range(len(measures)):
            measured(tokens.signals(network, corpus, context=CONTEXT), which)

    return {"one pass for all over one for each": ratio(interleaved({"a": apart, "b": together}, rounds), "a", "b")}


def index(corpus: Corpus, rounds: int, queries: int) -> dict[str, float]:
    """The same counts; building the suffix array is timed apart."""
    rng = np.random.default_rng(0)
    texts = [text for _ in range(5) for text in corpus.texts]
    asked = [text[start : start + 40] for text in rng.choice(corpus.texts, queries) for start in (len(text) // 3,)]
    plain, sorted_ = index_texts(texts, kind="plain"), index_texts(texts, kind="suffix array")
    assert [plain.count(query) for query in asked] == [sorted_.count(query) for query in asked]
    seconds = interleaved(
        {
            "plain": lambda: [plain.count(query) for query in asked],
            "sorted": lambda: [sorted_.count(query) for query in asked],
            "building": lambda: index_texts(texts, kind="suffix array"),
        },
        rounds,
    )
    print(f"building a suffix array of {sum(map(len, texts)) / 1e6:.1f} MB: {min(seconds['building']):.2f} s")
    return {"suffix array over plain search": ratio(seconds, "plain", "sorted")}


def duplicates(corpus: Corpus, rounds: int) -> dict[str, float]:
    """Near-duplicates of texts, some of them planted."""
    texts = [*corpus.texts, *(text + " and more" for text in corpus.texts[::10])]

    def all_pairs() -> None:
        sets = [shingles(text) for text in texts]
        _ = [pair for pair in combinations(sets, 2) if jaccard(*pair) >= 0.8]

    contestants: dict[str, Callable[[], object]] = {"ours": lambda: near_duplicates(texts), "all pairs": all_pairs}
    if find_spec("datasketch"):
        contestants["datasketch"] = lambda: datasketched(texts)
    seconds = interleaved(contestants, rounds)
    figures = {"MinHash over all pairs": ratio(seconds, "all pairs", "ours")}
    if "datasketch" in seconds:
        figures["MinHash over datasketch"] = ratio(seconds, "datasketch", "ours")
    else:
        print("datasketch is not installed: near-duplicates are not compared with it")
    return figures


def datasketched(texts: list[str]) -> None:
    """Candidates by datasketch's MinHash, of the same shingles and as many hashes as its default."""
    from datasketch import MinHash, MinHashLSH

    table = MinHashLSH(threshold=0.8, num_perm=128)
    for number, text in enumerate(texts):
        sketch = MinHash(num_perm=128)
        sketch.update_batch([shingle.encode() for shingle in shingles(text)])
        table.query(sketch)
        table.insert(number, sketch)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    torch.set_num_threads(1)
    rounds = 5 if quick else 7
    network, long = prepared(documents=64 if quick else 400, steps=120 if quick else 200)
    docs = corpus_from_texts(dict.fromkeys(python_docs().texts[: 300 if quick else 2000]), name="docs")
    figures = extraction(network, long, rounds, one_by_one=4 if quick else 16)
    figures |= signals(network, long.subset(np.arange(min(128, len(long)))), 3 * rounds)
    figures |= one_pass(network, long, rounds)
    figures |= index(docs, rounds, queries=50 if quick else 500)
    figures |= duplicates(docs, rounds)
    bars = BARS | ({"MinHash over datasketch": 1.0} if "MinHash over datasketch" in figures else {})
    finish(figures, bars)


if __name__ == "__main__":
    main()
