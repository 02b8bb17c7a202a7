from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from byrote.errors import BadInput
from byrote.measures.k_eidetic_memorization import _holding, k_eidetic_memorization


def corpus_of(documents: list[list[int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tokens end to end, where each document starts, and which tokens are predicted: all but the firsts."""
    offsets = np.cumsum([0, *map(len, documents)])
    token = np.array([token for document in documents for token in document], np.int32)
    scored = np.ones(len(token), bool)
    scored[offsets[:-1][np.diff(offsets) > 0]] = False
    return token, offsets, scored


def slow(documents, hits, member, prefix, suffix):
    """The formula, in loops: mean over members of [extracted] / documents of the model that hold the string."""
    starts = np.cumsum([0, *map(len, documents)])
    values = np.full(len(documents), np.nan)
    for i, document in enumerate(documents):
        string = document[prefix : prefix + suffix]
        of_members = []
        for m in range(len(member)):
            if len(string) == suffix and member[m, i] == 1:
                holding = [
                    d
                    for d, other in enumerate(documents)
                    if member[m, d] != 0
                    and any(other[at : at + suffix] == string for at in range(len(other) - suffix + 1))
                ]
                begin = starts[i] + prefix
                of_members.append(float(hits[m, begin : begin + suffix].all()) / len(holding))
        if of_members:
            values[i] = np.mean(of_members)
    return values


@st.composite
def corpora(draw):
    documents = draw(st.lists(st.lists(st.integers(0, 2), max_size=8), min_size=1, max_size=7))
    models = draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    hits = rng.random((models, sum(map(len, documents)))) < 0.8
    member = rng.choice(np.array([-1, 0, 1, 1], np.int8), (models, len(documents)))
    return documents, hits, member


@given(corpora(), st.integers(1, 2), st.integers(1, 3))
def test_matches_the_formula(made, prefix, suffix):
    documents, hits, member = made
    token, offsets, scored = corpus_of(documents)
    found = k_eidetic_memorization(hits, token, offsets, scored, member, prefix=prefix, suffix=suffix)
    np.testing.assert_allclose(found.values, slow(documents, hits, member, prefix, suffix), rtol=1e-12)


@given(st.lists(st.lists(st.integers(0, 1), max_size=7), min_size=1, max_size=5), st.integers(1, 3))
def test_holding_pairs_are_those_found_by_looking(documents, size):
    token, offsets, _ = corpus_of(documents)
    strings = np.array([[(code >> bit) & 1 for bit in range(size)] for code in range(2**size)], np.int32)
    expected = {
        (s, d)
        for s, string in enumerate(strings.tolist())
        for d, document in enumerate(documents)
        if any(document[at : at + size] == string for at in range(len(document) - size + 1))
    }
    assert set(zip(*map(np.ndarray.tolist, _holding(strings, token, offsets)), strict=True)) == expected


def test_strings_mixed_to_the_same_number_are_told_apart(monkeypatch):
    monkeypatch.setattr(
        "byrote.measures.k_eidetic_memorization._mixed", lambda columns: np.zeros(len(columns[0]), np.uint64)
    )
    token, offsets, _ = corpus_of([[1, 2, 3], [2, 3], [1, 2]])
    string, document = _holding(np.array([[1, 2], [2, 3]], np.int32), token, offsets)
    assert list(zip(string.tolist(), document.tolist(), strict=True)) == [(0, 0), (0, 2), (1, 0), (1, 1)]


def secrets_and_sayings():
    """A saying in 8 documents, a secret in one, and a string that nobody recites."""
    documents = [[number, 50, 51, 52] for number in range(8)] + [[20, 60, 61, 62], [21, 70, 71, 72]]
    token, offsets, scored = corpus_of(documents)
    hits = np.ones((1, len(token)), bool)
    hits[0, -1] = False
    return {"hit": hits, "token": token, "offsets": offsets, "scored": scored, "member": np.ones((1, 10), np.int8)}


def test_common_knowledge_and_rare_secrets_by_hand():
    found = k_eidetic_memorization(**secrets_and_sayings(), prefix=1, suffix=3, rare=5)
    assert found.values.tolist() == [1 / 8] * 8 + [1.0, 0.0]
    assert found.counts["documents"].tolist() == [8] * 8 + [1, 1]
    assert found.counts["extractions"].tolist() == [1] * 9 + [0]
    assert found.counts["rare"].tolist() == [0] * 8 + [1, 0]
    assert found.counts["common"].tolist() == [1] * 8 + [0, 0]
    assert "of 2 different strings that are recited, 1 stand in at most 5 documents" in found.note
    assert np.isnan(found.stderr).all()  # a single model has no error
    all_rare = k_eidetic_memorization(**secrets_and_sayings(), prefix=1, suffix=3, rare=8)
    assert all_rare.counts["rare"].tolist() == [1] * 9 + [0]


def test_a_string_counts_once_a_document_and_never_over_its_end():
    token, offsets, scored = corpus_of([[9, 1, 2, 1, 2, 1, 2], [8, 1], [2, 7]])
    found = k_eidetic_memorization(
        np.ones((1, len(token)), bool), token, offsets, scored, np.ones((1, 3), np.int8), prefix=1, suffix=2
    )
    assert found.values[0] == 1.0
    assert found.counts["documents"][0] == 1


def test_k_is_of_what_the_model_was_trained_on():
    token, offsets, scored = corpus_of([[5, 1, 2], [6, 1, 2], [7, 1, 2]])
    member = np.array([[1, 0, 0], [1, 1, -1]], np.int8)
    found = k_eidetic_memorization(np.ones((2, 9), bool), token, offsets, scored, member, prefix=1, suffix=2)
    np.testing.assert_allclose(found.values, [(1 + 1 / 3) / 2, 1 / 3, np.nan])
    assert found.reason(2) == "a member of no model"


def test_undefined_where_nothing_fits():
    token, offsets, scored = corpus_of([[1, 2], [3]])
    found = k_eidetic_memorization(
        np.ones((1, 3), bool), token, offsets, scored, np.ones((1, 2), np.int8), prefix=50, suffix=50
    )
    assert np.isnan(found.values).all()
    assert found.reason(0) == "it has no 50 and then 50 tokens with predictions"


def test_a_threshold_that_is_none():
    with pytest.raises(BadInput, match=r"'rare' argument of k_eidetic_memorization must be .* Got 0"):
        k_eidetic_memorization(**secrets_and_sayings(), rare=0)
