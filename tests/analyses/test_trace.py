from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import byrote
from byrote.analyses.trace import Trace, trace, words_of
from byrote.data import vocabulary
from byrote.data.corpus import corpus_from_texts
from byrote.data.index.normal import folded
from byrote.errors import BadInput

HAMLET = corpus_from_texts(
    ["To be, or not to be:\nthat is the question.", "Whether 'tis nobler in the mind", "to be or not, she said"],
    name="hamlet",
    ids=["a", "b", "c"],
)
texts = st.text("ab -.é東", min_size=1, max_size=14).filter(folded)


def passages(found: Trace) -> list[tuple[str, int, int]]:
    return [(found.text[span.start : span.stop], span.occurrences, span.documents) for span in found.spans]


def test_the_longest_passages_are_found_and_counted():
    found = trace("He asked, TO BE OR NOT -- that is the question! In the mind?", HAMLET, least=2)
    assert passages(found) == [
        ("TO BE OR NOT", 2, 2),
        ("that is the question", 1, 1),
        ("In the mind", 1, 1),
    ]
    assert found.share == 11 / 13
    assert repr(found) == "Trace('text' in 'hamlet': 85% of 13 words in 3 passages, the longest of 4 words)"
    assert [found.spans[number].words for number in found.longest_first] == [4, 4, 3]
    assert found.longest_first[0] == 1  # of two as long, the one in fewer documents
    assert [place.document for place in found.spans[0].places] == ["a", "c"]
    assert found.spans[1].places[0].before == "To be, or not to be:\n"
    assert found.spans[1].places[0].passage == "that is the question"


def test_exact_counts_case_spacing_and_punctuation():
    text = "to be, or not to be: that is"
    assert passages(trace(text, HAMLET, exact=True, least=3)) == [("be, or not to be", 1, 1)]
    assert passages(trace(text, HAMLET, least=3)) == [(text, 1, 1)]


def test_passages_may_overlap_and_a_word_belongs_to_the_longest():
    corpus = corpus_from_texts(["one two three four", "three four five six seven"])
    found = trace("one two three four five six seven", corpus, least=2)
    assert [span.words for span in found.spans] == [4, 5]
    assert found.owner.tolist() == [0, 0, 1, 1, 1, 1, 1]
    assert found.share == 1.0


@pytest.mark.parametrize("exact", [False, True])
@given(text=texts, documents=st.lists(texts, min_size=1, max_size=3))
def test_passages_are_all_that_stand_in_a_document_and_cannot_be_longer(exact, text, documents):
    """Every pair of a first and a last word, looked up in every document."""
    fold = str if exact else folded
    words = words_of(text).tolist()

    def stands(first: int, last: int) -> bool:
        return any(fold(text[words[first][0] : words[last][1]]) in fold(document) for document in documents)

    pairs = [(a, b) for a in range(len(words)) for b in range(a, len(words)) if stands(a, b)]
    longest = [(a, b) for a, b in pairs if (a - 1, b) not in pairs and (a, b + 1) not in pairs]
    found = trace(text, corpus_from_texts(documents), least=1, exact=exact)
    assert [(span.start, span.stop) for span in found.spans] == [(words[a][0], words[b][1]) for a, b in longest]
    for span, (a, b) in zip(found.spans, longest, strict=True):
        passage = fold(text[words[a][0] : words[b][1]])
        assert span.words == b + 1 - a
        assert span.documents == sum(passage in fold(document) for document in documents)


@pytest.mark.parametrize(
    "text",
    [
        "It's 3 o'clock: TEA!",
        "\u0939\u093f\u0928\u094d\u0926\u0940",
        "\u0e20\u0e32\u0e29\u0e32",
        "\ud55c\uad6d\uc5b4 \ubb38\uc7a5",
        "caf\u00e9 na\u00efve \u6771\u4eac",
    ],
)
def test_words_are_those_that_are_learned_from(text):
    assert [text[begin:end].casefold() for begin, end in words_of(text)] == vocabulary.words_of(text)


@given(st.text(max_size=20))
def test_words_begin_with_what_folding_keeps(text):
    words = words_of(text)
    assert (np.diff(words.ravel()) >= 0).all()
    assert all(folded(text[begin]) for begin, _ in words)


def test_without_the_suffix_array_the_same_is_found(monkeypatch):
    text = "he said to be or not to be, nobler in the mind"
    found = trace(text, HAMLET, least=2)
    monkeypatch.setattr("byrote.analyses.trace.find_spec", lambda name: None)
    plain = trace(text, HAMLET, least=2)
    assert plain.spans == found.spans


def test_what_stands_around_a_passage_is_cut():
    corpus = corpus_from_texts(["x" * 200 + " the secret is out " + "y" * 200])
    (place,) = trace("the secret is out", corpus, least=3).spans[0].places
    assert place.before == "…" + "x" * 79 + " "
    assert place.after == " " + "y" * 79 + "…"


def test_what_cannot_be_traced():
    with pytest.raises(BadInput, match=r"The text 'a\.txt' holds no word"):
        trace(" … ", HAMLET, name="a.txt")
    with pytest.raises(BadInput, match=r"'least' argument of trace must be .* Got 0"):
        trace("a", HAMLET, least=0)
    assert byrote.trace is trace
