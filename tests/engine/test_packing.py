import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from byrote.data.corpus import corpus_from_texts
from byrote.engine.packing import batch_of, filled, packed, planned
from byrote.recipes.objectives.next_token import IGNORED
from documents import numbers


@given(st.lists(st.integers(1, 25), min_size=1, max_size=12), st.integers(2, 9), st.sampled_from([None, 0]))
def test_every_token_is_learned_once_an_epoch(lengths, length, bos):
    documents = [[int(t) for t in np.random.default_rng(n).integers(1, 9, n)] for n in lengths]
    texts = [f"{i}" for i in range(len(documents))]
    corpus = corpus_from_texts(texts).tokenized(lambda _: documents, vocabulary=9, bos=bos)
    rows = packed(corpus, np.arange(len(corpus)), length)
    assert rows.shape[1] == length + 1
    targets = batch_of(torch.from_numpy(rows.astype(np.int64))).targets
    # of what follows something inside one document; BOS of a next document is learned, too, as its end
    learned = sorted(targets[(targets != IGNORED) & (targets != (bos if bos is not None else -5))].tolist())
    if bos is not None:
        assert learned == sorted(t for document in documents for t in document)
    else:
        assert len(learned) <= sum(lengths)


def test_a_document_that_fits_is_never_cut():
    corpus = numbers([[1, 2, 3], [4, 5, 6], [7, 8]], 9)
    rows = packed(corpus, np.array([0, 1, 2]), 4)
    lines = [row[row >= 0].tolist() for row in rows]
    assert sorted(map(tuple, lines)) == [(1, 2, 3, 7, 8), (4, 5, 6)]


@given(st.lists(st.integers(1, 25), min_size=1, max_size=12), st.integers(2, 9), st.sampled_from([None, 0]))
def test_every_token_is_of_its_own_document(lengths, length, bos):
    """Document i consists of the token i + 1 alone; a BOS token between two is the end of the first."""
    documents = [[place + 1] * size for place, size in enumerate(lengths)]
    texts = [f"{place}" for place in range(len(documents))]
    corpus = corpus_from_texts(texts).tokenized(lambda _: documents, vocabulary=len(documents) + 1, bos=bos)
    tokens, owners = filled(corpus, planned(corpus, np.arange(len(corpus)), length), length)
    inside = tokens > 0
    np.testing.assert_array_equal(owners[inside], tokens[inside] - 1)
    np.testing.assert_array_equal(owners[tokens < 0], -1)
    for row, place in np.argwhere(tokens == 0):
        owner = tokens[row, place - 1] if place else tokens[row, 1]
        assert owners[row, place] == owner - 1
    batch = batch_of(torch.from_numpy(tokens.astype(np.int64)), torch.from_numpy(owners.astype(np.int64)))
    assert ((batch.documents < 0) == (batch.targets == IGNORED)).all()
