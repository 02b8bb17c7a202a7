"""How often, where, and in which documents of a corpus a text or a token span stands."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Literal, Protocol, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import Int, Int64

from byrote.data.index.infini_gram import infini_gram
from byrote.data.index.joined import Joined, encoded, joined_texts, joined_tokens
from byrote.data.index.normal import folded, folded_with_positions
from byrote.data.index.plain_search import PlainSearch
from byrote.data.index.suffix_array import suffix_array
from byrote.errors import BadInput

#: Up to so many bytes a corpus is searched as it is, and up to so many its suffixes are sorted in memory.
PLAIN_BYTES = 5_000_000
SUFFIX_ARRAY_BYTES = 500_000_000

Kind = Literal["by size", "plain", "suffix array", "infini-gram"]
Query = TypeVar("Query", str, Int[np.ndarray, " query"])


@runtime_checkable
class Search(Protocol):
    """What finds bytes in joined documents: `PlainSearch` or `SuffixArray`."""

    @property
    def joined(self) -> Joined: ...

    def count(self, pattern: bytes) -> int: ...

    def positions(self, pattern: bytes) -> Int64[np.ndarray, " hit"]: ...

    def longest(self, pattern: bytes, start: int, known: int) -> int: ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Occurrences:
    """Every place where a text stands: the document's number, and the letters (or tokens) from start to stop."""

    document: Int64[np.ndarray, " hit"]
    start: Int64[np.ndarray, " hit"]
    stop: Int64[np.ndarray, " hit"]

    def __len__(self) -> int:
        return len(self.document)


class CorpusIndex(ABC, Generic[Query]):
    """Counts and locates by document; overlapping occurrences count, and none reaches over a document's end."""

    def __init__(self, search: Search) -> None:
        self.search = search

    def __len__(self) -> int:
        """How many documents there are."""
        return self.search.joined.documents

    def count(self, query: Query) -> int:
        """How often it stands in the corpus.

        Raises:
            BadInput: the query is empty.
        """
        pattern = self._pattern(query)
        return self.search.count(pattern) if pattern is not None else 0

    def documents(self, query: Query) -> Int64[np.ndarray, " document"]:
        """The numbers of the documents that hold it, each once, ascending.

        Raises:
            BadInput: the query is empty.
        """
        return np.unique(self.search.joined.document_of(self._positions(query)))

    def locate(self, query: Query) -> Occurrences:
        """Every place where it stands, in the order of the corpus.

        Raises:
            BadInput: the query is empty.
        """
        return self._located(query, self._positions(query))

    def locate_first(self, query: Query, documents: int) -> Occurrences:
        """The first place in each of the first so many documents that hold it.

        Raises:
            BadInput: the query is empty.
        """
        positions = self._positions(query)
        _, first = np.unique(self.search.joined.document_of(positions), return_index=True)
        return self._located(query, positions[first[:documents]])

    def matching_lengths(self, query: Query) -> Int64[np.ndarray, " unit"]:
        """For every unit of the query, how many units from there on stand together in some document.

        The units of a text are its letters (in a normalised index: those of the folded text), else tokens.

        Source: matching statistics, Chang & Lawler 1994, Algorithmica 12.
        """
        units = np.arange(self._units(query))
        return self.reach(query, units) - units

    @abstractmethod
    def reach(self, query: Query, starts: Int[np.ndarray, " start"]) -> Int64[np.ndarray, " start"]:
        """From each of these ascending units of the query, up to which unit it stands together in some document."""

    def _located(self, query: Query, positions: Int64[np.ndarray, " hit"]) -> Occurrences:
        document = self.search.joined.document_of(positions)
        within = positions - self.search.joined.starts[document]
        start, stop = np.empty_like(within), np.empty_like(within)
        for number in np.unique(document).tolist():
            here = document == number
            start[here], stop[here] = self._places(number, within[here], query)
        return Occurrences(document=document, start=start, stop=stop)

    @abstractmethod
    def _units(self, query: Query) -> int:
        """How many units it has."""

    @abstractmethod
    def _pattern(self, query: Query) -> bytes | None:
        """The bytes to search for; None where no document can hold them."""

    @abstractmethod
    def _places(self, document: int, within: np.ndarray, query: Query) -> tuple[np.ndarray, np.ndarray]:
        """Bytes of a document at which the query begins, as first and last place of a person's counting."""

    def _positions(self, query: Query) -> np.ndarray:
        pattern = self._pattern(query)
        return self.search.positions(pattern) if pattern is not None else np.empty(0, np.int64)

    def _reach(self, pattern: bytes, bounds: np.ndarray, starts: np.ndarray) -> Int64[np.ndarray, " start"]:
        """The units up to which the pattern matches; those that begin at `bounds`, the last of which is its end.

        What stands from one place on stands without its beginning, too: no later place reaches less far.
        """
        reach = np.full(len(starts), len(pattern), np.int64)
        known = 0
        for at, start in enumerate(bounds[starts].tolist()):
            known = start + self.search.longest(pattern, start, max(known - start, 0))
            reach[at] = known
            if known == len(pattern):
                break
        return np.searchsorted(bounds, reach, side="right").astype(np.int64) - 1


class TextIndex(CorpusIndex[str]):
    """An index of texts. A normalised one folds case, spacing and punctuation away, of texts and queries alike.

    Example:
        >>> index = index_texts(["To be, or not to be", "to be is to do"], normalised=True)
        >>> index.count("TO BE"), index.documents("to be").tolist()
        (3, [0, 1])
        >>> index_texts(["To be, or not to be", "to be is to do"]).locate("to be")
        Occurrences(document=array([0, 1]), start=array([14,  0]), stop=array([19,  5]))
    """

    def __init__(self, search: Search, texts: Sequence[str], *, normalised: bool) -> None:
        super().__init__(search)
        self.texts = texts
        self.normalised = normalised

    def reach(self, query: str, starts: Int[np.ndarray, " start"]) -> Int64[np.ndarray, " start"]:
        """From each of these ascending letters (folded in a normalised index), up to which it stands together."""
        pattern = encoded(self._wanted(query))
        return self._reach(pattern, _letters(pattern), starts)

    def _wanted(self, query: str) -> str:
        return folded(query) if self.normalised else query

    def _units(self, query: str) -> int:
        return len(self._wanted(query))

    def _pattern(self, query: str) -> bytes:
        wanted = self._wanted(query)
        if not wanted:
            why = f"nothing is left of {query!r} without spaces and punctuation" if query else "it is empty"
            raise BadInput(
                f"The text to search for cannot be used: {why}.",
                hint="search for a text that holds a letter or a digit.",
            )
        return encoded(wanted)

    def _places(self, document: int, within: np.ndarray, query: str) -> tuple[np.ndarray, np.ndarray]:
        letters = _letters(self.search.joined.document(document))
        start = np.searchsorted(letters, within)
        if not self.normalised:
            return start, start + len(query)
        _, positions = folded_with_positions(self.texts[document])
        return positions[start], positions[start + len(folded(query)) - 1] + 1


class TokenIndex(CorpusIndex[Int[np.ndarray, " query"]]):
    """An index of token numbers.

    Example:
        >>> index = index_tokens(np.array([5, 6, 5, 6, 7]), np.array([0, 2, 5]))
        >>> index.count(np.array([5, 6])), index.documents(np.array([6, 7])).tolist()
        (2, [1])
    """

    def reach(self, query: Int[np.ndarray, " query"], starts: Int[np.ndarray, " start"]) -> Int64[np.ndarray, " start"]:
        """From each of these ascending tokens, up to which it stands together in some document."""
        width = self.search.joined.width
        unknown = np.flatnonzero((query < 0) | (query >= self._beyond))
        reach = starts.astype(np.int64)
        begin = 0
        for end in np.append(unknown, len(query)).tolist():  # between tokens that stand in no document
            here = (starts >= begin) & (starts < end)
            piece = query[begin:end].astype(f"<u{width}").tobytes()
            bounds = np.arange(0, len(piece) + width, width)
            reach[here] = begin + self._reach(piece, bounds, starts[here] - begin)
            begin = end + 1
        return reach

    def _units(self, query: Int[np.ndarray, " query"]) -> int:
        return len(query)

    @property
    def _beyond(self) -> int:
        """The mark between documents, which is greater than every token."""
        return int(2 ** (8 * self.search.joined.width)) - 1

    def _pattern(self, query: Int[np.ndarray, " query"]) -> bytes | None:
        if not len(query):
            raise BadInput(
                "The tokens to search for cannot be used: there are none.", hint="search for at least one token."
            )
        if query.min() < 0 or query.max() >= self._beyond:
            return None
        return query.astype(f"<u{self.search.joined.width}").tobytes()

    def _places(
        self, document: int, within: np.ndarray, query: Int[np.ndarray, " query"]
    ) -> tuple[np.ndarray, np.ndarray]:
        start = within // self.search.joined.width
        return start, start + len(query)


def index_texts(
    texts: Sequence[str], *, normalised: bool = False, kind: Kind = "by size", folder: str | Path | None = None
) -> TextIndex:
    """An index of texts, one per document.

    By size, up to 5 MB are searched as they are, up to 500 MB get a suffix array, and beyond that infini-gram sorts
    them in `folder`, where the index stays for the next time. For thousands of queries a suffix array pays at any size.

    Raises:
        BadInput: a package is missing, or there is no folder for an index on disk.
    """
    joined = joined_texts([folded(text) for text in texts] if normalised else texts)
    return TextIndex(_search(joined, kind, folder), texts, normalised=normalised)


def index_tokens(
    tokens: Int[np.ndarray, " token"], offsets: Int[np.ndarray, " boundary"], *, kind: Kind = "by size"
) -> TokenIndex:
    """An index of tokens that lie end to end, `offsets` saying where each document begins and the last one ends.

    Raises:
        BadInput: a package is missing, or there are too many tokens for a suffix array in memory.
    """
    return TokenIndex(_search(joined_tokens(tokens, offsets), kind, None))


def _search(joined: Joined, kind: Kind, folder: str | Path | None) -> Search:
    size = len(joined.data)
    if kind == "by size":
        kind = "plain" if size <= PLAIN_BYTES else "suffix array" if size <= SUFFIX_ARRAY_BYTES else "infini-gram"
    if kind == "plain":
        return PlainSearch(joined)
    if kind == "suffix array":
        return suffix_array(joined)
    if folder is None:
        raise BadInput(
            f"A corpus of {size / 1e6:,.0f} MB is indexed on disk, and no folder is given for that.",
            hint="a folder for an index of texts, or kind='suffix array' where memory holds six times the corpus.",
        )
    return infini_gram(joined, Path(folder))


def _letters(data: bytes) -> Int64[np.ndarray, " boundary"]:
    """The bytes at which a letter of UTF-8 begins, and the end."""
    begins = (np.frombuffer(data, np.uint8) & 0xC0) != 0x80
    return np.append(np.flatnonzero(begins), len(data)).astype(np.int64)
