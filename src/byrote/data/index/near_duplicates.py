"""Documents that are the same, or nearly: candidates by MinHash, verified one by one, joined to clusters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Literal

import numpy as np
import regex
from jaxtyping import Float, Int, Int64, UInt32

from byrote.data.vocabulary import UNSPACED
from byrote.errors import BadInput

#: A shingle is so many words in a row.
WORDS = 5
#: Minima kept of every document's shingles, cut into bands so that two documents at the wanted similarity share
#: one with this probability.
MINIMA = 256
RECALL = 0.99
#: So many documents are cut into shingles at a time, and of so many the shingles are kept for verifying.
BATCH, KEPT = 4_096, 8_192

_WORD = regex.compile(rf"{UNSPACED}\p{{M}}*|[[\p{{L}}\p{{N}}\p{{M}}_]--{UNSPACED}]+", regex.VERSION1)

Verify = Literal["jaccard", "edit"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Clusters:
    """Which documents belong together: `cluster` is the number of the first document that each is a copy of.

    `links` are the pairs that were verified and joined two clusters, with their similarity. A cluster is a chain of
    such pairs, so that its ends may be less alike than its neighbours.
    """

    cluster: Int64[np.ndarray, " document"]
    links: Int64[np.ndarray, "link 2"]
    similarity: Float[np.ndarray, " link"]

    def __repr__(self) -> str:
        sizes = np.bincount(self.cluster)
        return (
            f"Clusters({len(self.cluster)} documents, {int((self.cluster != self._itself).sum())} copies of others, "
            f"largest cluster {int(sizes.max(initial=0))})"
        )

    @property
    def _itself(self) -> Int64[np.ndarray, " document"]:
        return np.arange(len(self.cluster))

    @property
    def kept(self) -> Int64[np.ndarray, " kept"]:
        """One document of each cluster: its first."""
        return np.flatnonzero(self.cluster == self._itself)

    @property
    def removed(self) -> Int64[np.ndarray, " removed"]:
        """All others."""
        return np.flatnonzero(self.cluster != self._itself)


def exact_duplicates(texts: Sequence[object]) -> Clusters:
    """Clusters of equal texts, or of equal digests of anything.

    Example:
        >>> exact_duplicates(["a", "b", "a"]).cluster
        array([0, 1, 0])
    """
    first: dict[object, int] = {}
    cluster = np.array([first.setdefault(text, number) for number, text in enumerate(texts)], np.int64)
    copies = np.flatnonzero(cluster != np.arange(len(cluster)))
    return Clusters(cluster=cluster, links=np.stack([cluster[copies], copies], 1), similarity=np.ones(len(copies)))


SIMILARITY = "0.8 finds copies with small changes, 1 equal texts only."


def near_duplicates(
    texts: Sequence[str],
    *,
    similarity: float = 0.8,
    verify: Verify = "jaccard",
    seed: int = 0,
) -> Clusters:
    """Clusters of texts of which a chain of pairs is at least so similar; equal texts always belong together.

    Candidates share a band of MinHash values of their shingles (`WORDS` words in a row, casefolded, punctuation
    aside). Each is verified: "jaccard" takes the share of shingles that both have among those that one has, "edit"
    one minus the edit distance in characters over the longer length. A pair at the wanted Jaccard similarity becomes a
    candidate with probability .99, a more similar one with more.

    Source: Broder 1997, SEQUENCES; Lee et al. 2022, arXiv:2107.06499, appendix A (edit similarity over .8).

    Raises:
        BadInput: a package is missing, or the similarity is not in (0, 1].
    """
    if not 0 < similarity <= 1:
        raise BadInput(
            f"The 'similarity' argument of near_duplicates must lie in (0, 1]. Got {similarity}.", hint=SIMILARITY
        )
    equal = exact_duplicates(texts)
    alike = _verifier(texts, verify, similarity)
    forest = _Forest(len(texts))
    links, values = equal.links.tolist(), equal.similarity.tolist()
    for one, other in links:
        forest.join(one, other)
    for members in _buckets(texts, equal.kept, similarity, seed):
        for one, other, value in _joined(members, forest, alike, similarity):
            links.append([one, other])
            values.append(value)
    return Clusters(
        cluster=np.array([forest.root(number) for number in range(len(texts))], np.int64),
        links=np.array(links, np.int64).reshape(-1, 2),
        similarity=np.array(values, np.float64),
    )


def shingles(text: str, words: int = WORDS) -> frozenset[str]:
    """The runs of that many words, casefolded; a shorter text is one shingle.

    Marks stay with their letter; in scripts without blanks between words (Han, Kana, Thai, …) each letter is a word.

    Example:
        >>> sorted(shingles("The quick, the QUICK fox", words=2))
        ['quick fox', 'quick the', 'the quick']
    """
    found = _WORD.findall(text.casefold())
    if not found:
        return frozenset()
    if len(found) <= words:
        return frozenset((" ".join(found),))
    return frozenset(map(" ".join, zip(*(found[at:] for at in range(words)), strict=False)))


def jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    """The share of what both have among what one of them has; 0 where neither has anything."""
    union = len(one | other)
    return len(one & other) / union if union else 0.0


def band_rows(similarity: float) -> int:
    """The most minima a band may have while pairs of this similarity share one of the bands at the wanted rate.

    Formula:
        P(candidate) = 1 - (1 - s^r)^(MINIMA // r) >= RECALL
    """
    fit = [rows for rows in range(1, MINIMA + 1) if 1 - (1 - similarity**rows) ** (MINIMA // rows) >= RECALL]
    return max(fit, default=1)


class _Forest:
    """Union-find whose roots are the smallest members."""

    def __init__(self, size: int) -> None:
        self._parent = list(range(size))

    def root(self, member: int) -> int:
        while self._parent[member] != member:
            self._parent[member] = self._parent[self._parent[member]]
            member = self._parent[member]
        return member

    def join(self, one: int, other: int) -> None:
        first, last = sorted((self.root(one), self.root(other)))
        self._parent[last] = first


def _verifier(texts: Sequence[str], verify: Verify, similarity: float) -> Callable[[int, int], float]:
    """The exact similarity of two documents by number."""
    if verify == "edit":
        try:
            from rapidfuzz.distance import Levenshtein
        except ImportError:
            raise _missing("rapidfuzz") from None
        return lambda one, other: Levenshtein.normalized_similarity(texts[one], texts[other], score_cutoff=similarity)
    kept = lru_cache(KEPT)(lambda number: shingles(texts[number]))
    return lambda one, other: jaccard(kept(one), kept(other))


def _joined(
    members: list[int], forest: _Forest, alike: Callable[[int, int], float], similarity: float
) -> Iterator[tuple[int, int, float]]:
    """Join the clusters of these documents wherever a pair is similar; pairs within a cluster are not looked at."""
    groups: dict[int, list[int]] = {}
    for member in members:
        groups.setdefault(forest.root(member), []).append(member)
    apart: list[list[int]] = []
    for group in groups.values():
        still, whole = [], list(group)
        for other in apart:
            found = next(((a, b, value) for a in other for b in group if (value := alike(a, b)) >= similarity), None)
            if found is None:
                still.append(other)
            else:
                forest.join(found[0], found[1])
                whole = other + whole
                yield found
        apart = [*still, whole]


def _buckets(
    texts: Sequence[str], among: Int64[np.ndarray, " kept"], similarity: float, seed: int
) -> Iterator[list[int]]:
    """Documents, two at least, that share a band; every band anew."""
    minima, having = _minima(texts, among, seed)
    rows = band_rows(similarity)
    for start in range(0, MINIMA - rows + 1, rows):
        band = np.ascontiguousarray(minima[:, start : start + rows])
        key = band.view(np.dtype((np.void, band.dtype.itemsize * rows)))[:, 0]
        order = np.argsort(key, kind="stable")
        bounds = np.flatnonzero(np.append(True, key[order][1:] != key[order][:-1])).tolist()
        for begin, end in pairwise([*bounds, len(order)]):
            if end - begin > 1:
                yield having[order[begin:end]].tolist()


def _minima(
    texts: Sequence[str], among: Int64[np.ndarray, " kept"], seed: int
) -> tuple[UInt32[np.ndarray, "having minimum"], Int[np.ndarray, " having"]]:
    """MinHash values, and the numbers of the documents that have any shingle."""
    try:
        from rensa import RMinHash
    except ImportError:
        raise _missing("rensa") from None
    blocks, numbers = [np.empty((0, MINIMA), np.uint32)], []
    for start in range(0, len(among), BATCH):
        cut = [(number, shingles(texts[number])) for number in among[start : start + BATCH].tolist()]
        having = [(number, list(held)) for number, held in cut if held]
        matrix = RMinHash.digest_matrix_from_token_sets([held for _, held in having], num_perm=MINIMA, seed=seed)
        blocks.append(np.array(matrix.to_rows(), np.uint32).reshape(-1, MINIMA))
        numbers += [number for number, _ in having]
    return np.concatenate(blocks), np.array(numbers, np.int64)


def _missing(package: str) -> BadInput:
    return BadInput(f"Near-duplicates need the package {package}.", hint="pip install 'byrote[language]'.")
