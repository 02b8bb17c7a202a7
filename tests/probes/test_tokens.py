import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from byrote.data.corpus import corpus_from_texts
from byrote.evidence.finite import Verdict
from byrote.probes import tokens
from byrote.probes.tokens import judged, rows_of, signals, windowed
from documents import Bigrams, Summing, numbers


def network(vocabulary=9, seed=0):
    torch.manual_seed(seed)
    return Summing(vocabulary)


def corpus_of(rng, *, bos, vocabulary=9, documents=7, longest=12):
    made = [rng.integers(1, vocabulary, int(n)).tolist() for n in rng.integers(1, longest, documents)]
    made.append(made[0])  # a copy
    texts = [f"{i} {t}" for i, t in enumerate(made)]
    return corpus_from_texts(texts).tokenized(lambda _: made, vocabulary=vocabulary, bos=bos)


def naive(model, corpus):
    """One document at a time, one token at a time, from the definitions, in float64."""
    found = {name: [] for name in ("log_probability", "rank", "mean", "variance", "entropy", "hit", "margin")}
    for index in range(len(corpus)):
        document = corpus.document(index).tolist()
        for place, token in enumerate(document):
            before = ([] if corpus.bos is None else [corpus.bos]) + document[:place]
            if not before:
                for name, column in found.items():
                    column.append({"rank": 0, "hit": False}.get(name, np.nan))
                continue
            with torch.no_grad():
                logits = model(torch.tensor([before]))[0, -1].double().numpy()
            log_p = logits - np.log(np.exp(logits).sum())
            p = np.exp(log_p)
            others = np.delete(logits, token)
            found["log_probability"].append(log_p[token])
            found["rank"].append(1 + sum(other > logits[token] for other in others))
            found["mean"].append(sum(p * log_p))
            found["variance"].append(sum(p * (log_p - sum(p * log_p)) ** 2))
            found["entropy"].append(-sum(p * log_p))
            found["hit"].append(bool(logits[token] > others.max()))
            found["margin"].append(logits[token] - others.max())
    return found


@given(st.integers(0, 2**32 - 1), st.sampled_from([None, 0]), st.sampled_from([1, 40, 10_000]))
def test_padded_batches_agree_with_the_naive_loop(seed, bos, room):
    corpus, model = corpus_of(np.random.default_rng(seed), bos=bos), network(seed=seed % 1000)
    before, tokens.BATCH_BYTES = tokens.BATCH_BYTES, 4 * 9 * room
    try:
        found = signals(model, corpus, context=32)
    finally:
        tokens.BATCH_BYTES = before
    for name, expected in naive(model, corpus).items():
        np.testing.assert_allclose(found[name], expected, rtol=1e-4, atol=1e-5, err_msg=name)
    assert judged(found, corpus) == Verdict(diverged=False, not_finite=0)


def test_half_precision_weights_give_float32_statistics():
    corpus = corpus_of(np.random.default_rng(0), bos=0)
    found = signals(network().to(torch.bfloat16), corpus, context=32)
    assert found["log_probability"].dtype == np.float32
    p = np.exp(found["log_probability"])
    assert (np.abs(p - p.astype(np.float16)) > 0).any()


@pytest.mark.parametrize("bos", [None, 0])
@pytest.mark.parametrize("context", [2, 3, 5, 8])
def test_every_token_is_predicted_once_in_windows(bos, context):
    documents = [[int(t) for t in np.arange(n) % 8] for n in (1, 4, 8, 9, 10, 31)]
    texts = [str(d) for d in documents]
    corpus = corpus_from_texts(texts).tokenized(lambda _: documents, vocabulary=9, bos=bos)
    rows = rows_of(corpus, np.arange(len(corpus)), context)
    seen = np.concatenate([np.arange(a, b) for a, b in zip(rows.first, rows.stop, strict=True)])
    np.testing.assert_array_equal(np.sort(seen), np.flatnonzero(corpus.scored))
    begins = np.isin(rows.start, corpus.offsets[:-1])
    shown = rows.stop - rows.start - 1 + (begins & (bos is not None))
    assert (shown <= context).all()
    later = ~begins
    assert (rows.first[later] - rows.start[later] >= context // 2).all()


def test_a_bigram_table_does_not_mind_windows():
    """What follows a token depends on that token alone, so windows change nothing."""
    table = Bigrams(9)
    torch.nn.init.normal_(table.table)
    corpus = numbers([np.random.default_rng(0).integers(9, size=40).tolist(), [1, 2, 3]], 9)
    whole, cut = signals(table, corpus, context=100), signals(table, corpus, context=6)
    for name, column in whole.items():
        np.testing.assert_allclose(cut[name], column, rtol=1e-5, atol=1e-6)
    assert windowed(corpus, 100) == ""
    assert windowed(corpus, 6).startswith("1 document is longer than the context of 6 tokens")


def test_what_is_not_finite_is_seen():
    model = network()
    with torch.no_grad():
        model.head.bias[3] = torch.nan
    corpus = corpus_of(np.random.default_rng(0), bos=0)
    found = signals(model, corpus, context=32)
    assert judged(found, corpus).diverged
    once = {name: column.copy() for name, column in found.items()}
    for column in once.values():
        column[:] = 0
    place = int(np.flatnonzero(corpus.scored)[0])
    once["mean"][place] = np.nan
    assert judged(once, corpus) == Verdict(diverged=False, not_finite=1)
    once["mean"][place], once["mean"][~corpus.scored] = 0, np.nan
    assert judged(once, corpus) == Verdict(diverged=False, not_finite=0), "what nobody predicts may be anything"


def test_copies_are_read_once():
    read = []

    class Counting(Summing):
        def forward(self, inputs):
            read.append(len(inputs))
            return super().forward(inputs)

    corpus = numbers([[1, 2, 3]] * 5 + [[4, 5]], 9)
    found = signals(Counting(9), corpus, context=8)
    assert sum(read) == 2
    np.testing.assert_array_equal(found["margin"][:3], found["margin"][12:15])


def test_the_likelihood_alone_is_that_of_all_signals():
    corpus = corpus_of(np.random.default_rng(3), bos=None)
    everything = signals(network(), corpus, context=5)
    alone = signals(network(), corpus, context=5, likelihood_alone=True)
    assert {*alone} == {"log_probability"}
    np.testing.assert_allclose(alone["log_probability"], everything["log_probability"], rtol=1e-5)
