"""Trace: which passages of a text stand in a corpus, how often, and in which of its documents."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Int64

from byrote.data.corpus import Corpus
from byrote.data.index.corpus_index import SUFFIX_ARRAY_BYTES, Kind, TextIndex, index_texts
from byrote.data.index.normal import folded_with_positions
from byrote.data.vocabulary import WORD
from byrote.errors import BadInput
from byrote.measures.k_eidetic_memorization import RARE as RARE

#: Shorter passages are what anyone would write.
LEAST_WORDS: Final = 5
#: So many documents that hold a passage are named, with so many letters before and after it.
PLACES, CONTEXT = 3, 80


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a passage stands first in a document, with what stands around it there."""

    document: str
    before: str
    passage: str
    after: str


@dataclass(frozen=True, kw_only=True)
class Span:
    """A passage of the text, letters `start` to `stop`, that stands in the corpus and cannot be made longer."""

    start: int
    stop: int
    words: int
    occurrences: int
    documents: int
    places: tuple[Place, ...]

    @property
    def is_rare(self) -> bool:
        """Whether so few documents hold it that it may be someone's secret."""
        return self.documents <= RARE


@dataclass(frozen=True, kw_only=True, eq=False)
class Trace:
    """A text and all its passages of at least `least` words that stand in a corpus, in the order of the text.

    Passages may overlap, and none lies within another.
    """

    name: str
    text: str
    corpus: str
    documents: int
    least: int
    exact: bool
    words: Int64[np.ndarray, "word 2"]
    spans: tuple[Span, ...]

    def __repr__(self) -> str:
        longest = max((span.words for span in self.spans), default=0)
        return (
            f"Trace({self.name!r} in {self.corpus!r}: {self.share:.0%} of {len(self.words)} words in "
            f"{len(self.spans)} passages, the longest of {longest} words)"
        )

    @property
    def share(self) -> float:
        """The share of the words that stand in a passage."""
        return float((self.owner >= 0).mean())

    @cached_property
    def owner(self) -> Int64[np.ndarray, " word"]:
        """For each word, the number of the longest passage that it stands in; -1 for none."""
        owner = np.full(len(self.words), -1, np.int64)
        for number in sorted(range(len(self.spans)), key=lambda number: self.spans[number].words):
            span = self.spans[number]
            owner[(self.words[:, 0] >= span.start) & (self.words[:, 1] <= span.stop)] = number
        return owner

    @property
    def longest_first(self) -> tuple[int, ...]:
        """The passages' numbers, the longest first, and of as long ones those in the fewest documents."""
        return tuple(
            sorted(range(len(self.spans)), key=lambda at: (-self.spans[at].words, self.spans[at].documents, at))
        )


def trace(
    text: str,
    corpus: Corpus,
    *,
    name: str = "text",
    least: int = LEAST_WORDS,
    exact: bool = False,
    folder: str | Path | None = None,
) -> Trace:
    """Find every longest passage of a text that stands in a corpus.

    A passage is whole words of the text. Unless `exact`, case, spacing, punctuation and typography do not count. At
    its ends a passage may stand within a longer word of the corpus. A corpus of more than 500 MB is indexed in
    `folder`.

    Source: Liu et al. 2025, OLMoTrace, arXiv:2504.07096.
    Differs: they keep the longest and the least probable passages only, and look at tokens.

    Example:
        >>> from byrote.data.corpus import corpus_from_texts
        >>> corpus = corpus_from_texts(["To be, or not to be, that is the question."], name="hamlet")
        >>> trace("He said: to be or not to be!", corpus)
        Trace('text' in 'hamlet': 75% of 8 words in 1 passages, the longest of 6 words)

    Raises:
        BadInput: the text holds no word, `least` is below 1, or an index cannot be made.
    """
    if least < 1:
        raise BadInput(
            f"The 'least' argument of trace must be a whole number of at least 1. Got {least}.",
            hint="least is the number of words of the shortest passage shown; leave it out.",
        )
    words = words_of(text)
    if not len(words):
        raise BadInput(f"The text {name!r} holds no word.", hint="a word is letters or digits.")
    index = index_texts(corpus.texts, normalised=not exact, kind=_kind(corpus, folder), folder=folder)
    spans = [
        _span(text[words[first, 0] : words[last, 1]], int(words[first, 0]), last + 1 - first, index, corpus)
        for first, last in _longest(text, words, index)
        if last + 1 - first >= least
    ]
    return Trace(
        name=name,
        text=text,
        corpus=corpus.name,
        documents=len(corpus),
        least=least,
        exact=exact,
        words=words,
        spans=tuple(spans),
    )


def words_of(text: str) -> Int64[np.ndarray, "word 2"]:
    """Where each word begins and ends, by the rule of texts that are learned from (`byrote.data.vocabulary`).

    Example:
        >>> words_of("Ah, it's 東京").tolist()
        [[0, 2], [4, 8], [9, 10], [10, 11]]
    """
    return np.array([word.span() for word in WORD.finditer(text)], np.int64).reshape(-1, 2)


def _kind(corpus: Corpus, folder: str | Path | None) -> Kind:
    """A suffix array where there is the package for it: a text asks once a word."""
    if find_spec("pydivsufsort") is None or sum(map(len, corpus.texts)) * 4 > SUFFIX_ARRAY_BYTES:
        return "by size"
    return "suffix array"


def _longest(text: str, words: Int64[np.ndarray, "word 2"], index: TextIndex) -> list[tuple[int, int]]:
    """First and last word of every passage that stands in the corpus and cannot be made longer."""
    begins, ends = words[:, 0], words[:, 1]
    if index.normalised:
        _, positions = folded_with_positions(text)
        begins, ends = np.searchsorted(positions, begins), np.searchsorted(positions, ends)
    last = np.searchsorted(ends, index.reach(text, begins), side="right") - 1
    starts = np.flatnonzero((last >= np.arange(len(last))) & np.append(True, last[1:] > last[:-1]))
    return [(int(first), int(last[first])) for first in starts]


def _span(passage: str, start: int, words: int, index: TextIndex, corpus: Corpus) -> Span:
    first = index.locate_first(passage, PLACES)
    places = []
    for document, begin, end in zip(first.document.tolist(), first.start.tolist(), first.stop.tolist(), strict=True):
        whole = corpus.texts[document]
        places.append(
            Place(
                document=str(corpus.ids[document]),
                before=("…" if begin > CONTEXT else "") + whole[max(begin - CONTEXT, 0) : begin],
                passage=whole[begin:end],
                after=whole[end : end + CONTEXT] + ("…" if end + CONTEXT < len(whole) else ""),
            )
        )
    return Span(
        start=start,
        stop=start + len(passage),
        words=words,
        occurrences=index.count(passage),
        documents=len(index.documents(passage)),
        places=tuple(places),
    )
