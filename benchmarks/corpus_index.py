"""Claim: a suffix array beats plain search by orders of magnitude once built, and near duplicates beat datasketch.

Made-up documents of 200 words, whose frequencies fall with their rank (Zipf). Both sides in one process, interleaved.

- Queries: 100 counts by document, half of them of passages that stand in 20 MB, against Python's own `str.count` over
  every document. A suffix array must answer at least 100 times as fast. Printed without a bar: how many queries plain
  search answers while the array is built.
- Matching lengths of a text of 200 words, half of it taken from 4 MB: the suffix array against the same question asked
  by plain search. At least 20 times as fast.
- Near duplicates: 2,000 documents, a fifth of them perturbed copies, by `near_duplicates` (shingles, MinHash by rensa,
  verification) against datasketch's MinHashLSH with as many minima and the same shingles and verification. At least
  twice as fast, and as many pairs found: shingling, which both do in Python, is most of the time. Without datasketch
  (in the extra `dev`) this part is left out, and it says so.

Usage: python benchmarks/corpus_index.py [--quick]
"""

from __future__ import annotations

import argparse
import time
from functools import partial
from importlib.util import find_spec

import numpy as np
from _timing import finish, interleaved, ratio

from byrote.data.index import index_texts, near_duplicates
from byrote.data.index.near_duplicates import MINIMA, jaccard, shingles

SIMILARITY = 0.8


def made_up(rng: np.random.Generator, documents: int, words: int = 200) -> list[str]:
    """Documents of words whose frequencies fall with their rank."""
    known = np.array([f"word{number:x}" for number in range(50_000)])
    rank = np.minimum(rng.zipf(1.2, documents * words), len(known)) - 1
    return [" ".join(row) for row in known[rank].reshape(documents, words).tolist()]


def perturbed(rng: np.random.Generator, text: str) -> str:
    """The text with one to four words replaced."""
    words = text.split()
    for at in rng.integers(0, len(words), int(rng.integers(1, 5))):
        words[at] = f"new{rng.integers(10**6)}"
    return " ".join(words)


def by_datasketch(texts: list[str]) -> int:
    """Verified pairs of near duplicates, found by datasketch."""
    from datasketch import MinHash, MinHashLSH

    cut = [shingles(text) for text in texts]
    lsh = MinHashLSH(threshold=SIMILARITY, num_perm=MINIMA, weights=(0.01, 0.99))
    sketches = MinHash.bulk([[shingle.encode() for shingle in held] for held in cut], num_perm=MINIMA)
    pairs = 0
    for number, sketch in enumerate(sketches):
        pairs += sum(jaccard(cut[number], cut[other]) >= SIMILARITY for other in lsh.query(sketch))
        lsh.insert(number, sketch, check_duplication=False)
    return pairs


def queries_of(rng: np.random.Generator, texts: list[str]) -> list[str]:
    """50 passages of eight words, and 50 that stand nowhere."""
    passages = []
    for number in rng.integers(0, len(texts), 50).tolist():
        words = texts[number].split()
        at = int(rng.integers(0, len(words) - 8))
        passages.append(" ".join(words[at : at + 8]))
    return passages + [f"{passage} nowhere" for passage in passages]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="a quarter of the documents, 1 round; bars of time halved")
    options = parser.parse_args()
    share, rounds = (4, 1) if options.quick else (1, 3)
    rng = np.random.default_rng(0)
    figures: dict[str, float] = {}
    bars: dict[str, float] = {}

    texts = made_up(rng, 14_000 // share)
    queries = queries_of(rng, texts)
    started = time.perf_counter()
    index = index_texts(texts, kind="suffix array")
    building = time.perf_counter() - started
    plain = index_texts(texts, kind="plain")
    for query in queries:
        expected = [number for number, text in enumerate(texts) if query in text]
        assert index.documents(query).tolist() == plain.documents(query).tolist() == expected
    seconds = interleaved(
        {
            "str.count": lambda: [sum(text.count(query) > 0 for text in texts) for query in queries],
            "plain": lambda: [len(plain.documents(query)) for query in queries],
            "suffix array": lambda: [len(index.documents(query)) for query in queries],
        },
        rounds,
    )
    figures["MB"] = sum(map(len, texts)) / 1e6
    figures["building seconds"] = building
    figures["suffix array over str.count"] = ratio(seconds, "str.count", "suffix array")
    figures["plain search over str.count"] = ratio(seconds, "str.count", "plain")
    figures["milliseconds a query"] = 10 * float(np.median(seconds["suffix array"]))
    figures["queries until built for"] = 100 * building / float(np.median(seconds["plain"]))
    bars["suffix array over str.count"] = 100.0 / (2 if options.quick else 1)

    few = texts[: 2_800 // share]
    indices = {kind: index_texts(few, kind=kind) for kind in ("plain", "suffix array")}
    asked = f"{few[7][:800]} {' '.join(texts[9].split()[::-1])[:800]}"
    assert np.array_equal(*(each.matching_lengths(asked) for each in indices.values()))
    seconds = interleaved({name: partial(each.matching_lengths, asked) for name, each in indices.items()}, rounds)
    figures["matching lengths, suffix array over plain"] = ratio(seconds, "plain", "suffix array")
    bars["matching lengths, suffix array over plain"] = 20.0 / (2 if options.quick else 1)

    originals = made_up(rng, 1_600 // share)
    alike = originals + [perturbed(rng, text) for text in originals[: 400 // share]]
    if find_spec("datasketch") is None:
        print("near duplicates are not compared: datasketch is not installed")
    else:
        found = len(near_duplicates(alike, similarity=SIMILARITY).links)
        figures["pairs found"], figures["pairs that datasketch found"] = found, by_datasketch(alike)
        seconds = interleaved(
            {
                "datasketch": lambda: by_datasketch(alike),
                "byrote": lambda: near_duplicates(alike, similarity=SIMILARITY),
            },
            rounds,
        )
        figures["near duplicates over datasketch"] = ratio(seconds, "datasketch", "byrote")
        figures["documents a second"] = len(alike) / float(np.median(seconds["byrote"]))
        bars["near duplicates over datasketch"] = 2.0
        bars["pairs found"] = 0.99 * figures["pairs that datasketch found"]
    finish(figures, bars)


if __name__ == "__main__":
    main()
