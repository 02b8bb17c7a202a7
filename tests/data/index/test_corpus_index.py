from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from byrote.data.index.corpus_index import Kind, Occurrences, TextIndex, TokenIndex, index_texts, index_tokens
from byrote.data.index.normal import folded
from byrote.errors import BadInput
from data.index.naive import matching_lengths, places

both_kinds = pytest.mark.parametrize("kind", ["plain", "suffix array"])
documents = st.lists(st.text("ab é-B\n\U0001f600", max_size=12), max_size=5)
queries = st.text("ab é-B\n\U0001f600", min_size=1, max_size=4)
token_documents = st.lists(st.lists(st.integers(0, 2), max_size=9), max_size=5)
token_queries = st.lists(st.integers(0, 3), min_size=1, max_size=4)
#: Tokens of two bytes whose halves look like other tokens, and of four.
SPREAD = {2: np.array([0x0101, 0x0001, 0x0100, 0x0102]), 4: np.array([0x01010101, 0x10001, 0x100, 0x1000000])}


def need(kind: str) -> None:
    if kind == "suffix array":
        pytest.importorskip("pydivsufsort", reason="a suffix array needs pydivsufsort")


def triples(found: Occurrences) -> list[tuple[int, int, int]]:
    return list(zip(found.document.tolist(), found.start.tolist(), found.stop.tolist(), strict=True))


def token_index(held: list[list[int]], kind: Kind, width: int = 2) -> TokenIndex:
    offsets = np.cumsum([0, *map(len, held)])
    tokens = SPREAD[width][np.array([token for document in held for token in document], np.int64)]
    return index_tokens(tokens, offsets, kind=kind)


@both_kinds
@given(texts=documents, query=queries)
def test_texts_are_counted_and_located_as_by_hand(kind, texts, query):
    need(kind)
    index = index_texts(texts, kind=kind)
    expected = places(texts, query)
    assert len(index) == len(texts)
    assert index.count(query) == len(expected)
    assert index.documents(query).tolist() == sorted({number for number, _, _ in expected})
    assert triples(index.locate(query)) == expected
    firsts = [next(place for place in expected if place[0] == n) for n in sorted({n for n, _, _ in expected})]
    assert triples(index.locate_first(query, 2)) == firsts[:2]


@both_kinds
@given(texts=documents, query=queries)
def test_normalised_texts_are_counted_as_folded_ones_and_their_places_map_back(kind, texts, query):
    need(kind)
    index = index_texts(texts, normalised=True, kind=kind)
    if not folded(query):
        with pytest.raises(BadInput, match="nothing is left of"):
            index.count(query)
        return
    expected = places([folded(text) for text in texts], folded(query))
    assert index.count(query) == len(expected)
    assert index.documents(query).tolist() == sorted({number for number, _, _ in expected})
    found = triples(index.locate(query))
    assert [number for number, _, _ in found] == [number for number, _, _ in expected]
    for number, start, stop in found:
        whole = texts[number]
        assert folded(whole[start]) and folded(whole[stop - 1])  # noqa: PT018  begins and ends on letters that count
        assert folded(query) in folded(whole[start:stop])
        assert folded(query) not in folded(whole[start + 1 : stop])


@both_kinds
@given(texts=documents, query=queries)
def test_matching_lengths_of_texts(kind, texts, query):
    need(kind)
    assert index_texts(texts, kind=kind).matching_lengths(query).tolist() == matching_lengths(texts, query)
    loose = index_texts(texts, normalised=True, kind=kind).matching_lengths(query)
    assert loose.tolist() == matching_lengths([folded(text) for text in texts], folded(query))


@both_kinds
@pytest.mark.parametrize("width", [2, 4])
@given(held=token_documents, query=token_queries)
def test_tokens_are_counted_and_located_as_by_hand(kind, width, held, query):
    need(kind)
    index = token_index(held, kind, width)
    asked = SPREAD[width][query]
    expected = places(held, query)
    assert index.count(asked) == len(expected)
    assert index.documents(asked).tolist() == sorted({number for number, _, _ in expected})
    assert triples(index.locate(asked)) == expected


@both_kinds
@pytest.mark.parametrize("width", [2, 4])
@given(held=token_documents, query=token_queries, starts=st.sets(st.integers(0, 3)))
def test_matching_lengths_and_reach_of_tokens(kind, width, held, query, starts):
    need(kind)
    index = token_index(held, kind, width)
    asked = SPREAD[width][query]
    expected = matching_lengths(held, query)
    assert index.matching_lengths(asked).tolist() == expected
    chosen = np.array(sorted(start for start in starts if start < len(query)), np.int64)
    assert index.reach(asked, chosen).tolist() == [start + expected[start] for start in chosen.tolist()]


@both_kinds
def test_tokens_beyond_those_of_the_corpus_stand_nowhere(kind):
    need(kind)
    index = index_tokens(np.array([1, 2, 3]), np.array([0, 3]), kind=kind)
    for query in ([-1], [65_535], [70_000, 1], [2, -1]):
        assert index.count(np.array(query)) == 0
        assert index.locate(np.array(query)).start.tolist() == []
    assert index.matching_lengths(np.array([1, 2, 65_535, -1, 2, 3])).tolist() == [2, 1, 0, 0, 2, 1]


@both_kinds
def test_no_match_reaches_from_one_document_into_the_next(kind):
    need(kind)
    texts = ["to be", "or not", "", "to be"]
    for normalised in (False, True):
        index = index_texts(texts, kind=kind, normalised=normalised)
        assert [index.count(query) for query in ("beor", "be or", "notto", "not to")] == [0, 0, 0, 0]
        assert index.documents("to be").tolist() == [0, 3]
    tokens = index_tokens(np.array([1, 2, 1, 2]), np.array([0, 2, 4]), kind=kind)
    assert tokens.count(np.array([2, 1])) == 0
    assert tokens.count(np.array([1, 2])) == 2


@both_kinds
def test_long_matches(kind):
    need(kind)
    text = "".join(np.random.default_rng(0).choice(list("abc"), 5_000).tolist())
    index = index_texts([text, text[1_000:4_000]], kind=kind)
    lengths = index.matching_lengths(text[2_000:] + "x" + text[:10])
    assert lengths[0] == 3_000
    assert lengths[3_000] == 0
    assert lengths[3_001] == 10


@both_kinds
def test_empty_queries_are_refused(kind):
    need(kind)
    texts: TextIndex = index_texts(["a"], kind=kind)
    for ask in (texts.count, texts.documents, texts.locate):
        with pytest.raises(BadInput, match="it is empty"):
            ask("")
    tokens = index_tokens(np.array([1]), np.array([0, 1]), kind=kind)
    with pytest.raises(BadInput, match="there are none"):
        tokens.count(np.empty(0, np.int64))
    with pytest.raises(BadInput, match=r"nothing is left of ' \.\.\. '"):
        index_texts(["a"], normalised=True, kind=kind).locate(" ... ")


def test_size_chooses_the_search(monkeypatch):
    pytest.importorskip("pydivsufsort", reason="a suffix array needs pydivsufsort")
    assert type(index_texts(["a" * 9]).search).__name__ == "PlainSearch"
    monkeypatch.setattr("byrote.data.index.corpus_index.PLAIN_BYTES", 8)
    assert type(index_texts(["a" * 9]).search).__name__ == "SuffixArray"
    monkeypatch.setattr("byrote.data.index.corpus_index.SUFFIX_ARRAY_BYTES", 9)
    with pytest.raises(BadInput, match=r"indexed on disk, and no folder is given"):
        index_texts(["a" * 9])
