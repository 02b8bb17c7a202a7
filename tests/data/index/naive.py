"""Counting as anyone would write it down."""

from __future__ import annotations

from collections.abc import Sequence

Place = tuple[int, int, int]


def places(documents: Sequence[Sequence[object]], query: Sequence[object]) -> list[Place]:
    """Document, start and stop of every occurrence, overlaps included."""
    size = len(query)
    return [
        (number, at, at + size)
        for number, document in enumerate(documents)
        for at in range(len(document) - size + 1)
        if document[at : at + size] == query
    ]


def matching_lengths(documents: Sequence[Sequence[object]], query: Sequence[object]) -> list[int]:
    """The longest beginning of what the query holds from each place on that stands in a document."""
    return [
        max(size for size in range(len(query) - at + 1) if not size or places(documents, query[at : at + size]))
        for at in range(len(query))
    ]
