"""Documents joined end to end as bytes, with a mark between them that no search can match."""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Int, Int64

#: This byte never stands in UTF-8, and the token made of it alone is given to no document.
MARK = b"\xff"


@dataclass(frozen=True, kw_only=True, eq=False)
class Joined:
    """`data` holds a mark before every document; `starts` says where each document begins, and ends with the end.

    Every unit of a document is `width` bytes: 1 for text in UTF-8, 2 or 4 for tokens.
    """

    data: bytes | mmap.mmap
    starts: Int64[np.ndarray, " boundary"]
    width: int

    @property
    def documents(self) -> int:
        """How many there are."""
        return len(self.starts) - 1

    def document_of(self, positions: Int64[np.ndarray, " hit"]) -> Int64[np.ndarray, " hit"]:
        """The number of the document that holds each byte."""
        return np.searchsorted(self.starts, positions, side="right").astype(np.int64) - 1

    def document(self, number: int) -> bytes:
        """The bytes of one document."""
        end = int(self.starts[number + 1])
        return self.data[int(self.starts[number]) : end if number + 1 == self.documents else end - self.width]


def joined_texts(texts: Sequence[str]) -> Joined:
    r"""Texts in UTF-8; half characters (lone surrogates) keep bytes of their own.

    Example:
        >>> joined_texts(["ab", "é"]).data
        b'\xffab\xff\xc3\xa9'
    """
    return _joined([encoded(text) for text in texts], width=1)


def encoded(text: str) -> bytes:
    """The bytes of a text."""
    return text.encode("utf-8", "surrogatepass")


def joined_tokens(tokens: Int[np.ndarray, " token"], offsets: Int[np.ndarray, " boundary"]) -> Joined:
    """Tokens of documents that lie end to end, `offsets` saying where each begins and the last one ends."""
    width = 2 if not len(tokens) or int(tokens.max()) < 2**16 - 1 else 4
    data = tokens.astype(f"<u{width}").tobytes()
    bounds = (offsets.astype(np.int64) * width).tolist()
    return _joined([data[a:b] for a, b in pairwise(bounds)], width=width)


def _joined(documents: list[bytes], *, width: int) -> Joined:
    lengths = np.fromiter((len(document) + width for document in documents), np.int64, len(documents))
    mark = MARK * width
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64) + width
    starts[-1] -= width
    return Joined(
        data=b"".join(part for document in documents for part in (mark, document)), starts=starts, width=width
    )
