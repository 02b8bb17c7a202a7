import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from byrote.data.corpus import corpus_from_texts
from byrote.engine.language_job import batch_of, between, by_document, check_causal, packed
from byrote.errors import BadInput
from byrote.recipes.objectives.next_token import IGNORED
from documents import Bigrams, numbers


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


def test_a_share_is_mapped_between_two_others():
    heard = []
    told = between(heard.append, 0.5, 0.75)
    told(0.0)
    told(1.0)
    assert heard == [0.5, 0.75]


def test_sums_by_document():
    corpus = numbers([[1, 2], [3], [4, 5, 6]], 9)
    columns = {
        "hit": np.array([1, 1, 1, 1, 1, 0], bool),
        "log_probability": np.array([np.nan, -1, np.nan, np.nan, -2, -3]),
    }
    found = by_document(columns, corpus)
    assert found["hits"].tolist() == [1, 0, 1]
    assert found["log_probability"].tolist() == [-1.0, 0.0, -5.0]


def test_what_looks_ahead_is_refused():
    check_causal(Bigrams(9), 9, "cpu")

    class Ahead(Bigrams):
        def forward(self, inputs):
            return self.table[inputs.roll(-1, 1)]

    ahead = Ahead(9)
    torch.nn.init.normal_(ahead.table)
    with pytest.raises(BadInput, match="not causal"):
        check_causal(ahead, 9, "cpu")
