import numpy as np
import pytest
import torch

from byrote.errors import BadInput
from byrote.measures.discoverable_extraction import discoverable_extraction, discoverable_extraction_generated
from byrote.measures.positional_match import positional_match
from byrote.probes import generations, tokens
from documents import Bigrams, Summing, letters, numbers
from probes.trained import trained

ONE = np.ones((1, 1), np.int8)


def counter(vocabulary=10):
    """A table that says t + 1 after t, and 0 after the last."""
    table = Bigrams(vocabulary)
    with torch.no_grad():
        table.table.copy_(torch.eye(vocabulary).roll(1, 1) * 3.0)
    return table


def test_a_table_goes_on_as_it_is_written():
    corpus = numbers([[3, 4, 5, 6, 7], [3, 4, 5, 6, 9], [1, 2], [0, 9, 1, 2, 3]], 10)
    read = generations.signals(counter(), corpus, context=8, prefix=2, suffix=3)
    none = [-1, -1, -1]
    np.testing.assert_array_equal(read["token"], [[5, 6, 7], [5, 6, 7], none, [0, 1, 2]])
    np.testing.assert_array_equal(read["truth"], [[5, 6, 7], [5, 6, 9], none, [1, 2, 3]])


def test_extraction_of_a_table_is_known_exactly():
    corpus = numbers([[3, 4, 5, 6, 7], [3, 4, 5, 6, 9], [1, 2], [0, 9, 1, 2, 3]], 10)
    read = generations.signals(counter(), corpus, context=8, prefix=2, suffix=3)
    hit = tokens.signals(counter(), corpus, context=8)["hit"]
    member = np.ones((1, 4), np.int8)
    forced = discoverable_extraction(hit[None], corpus.offsets, corpus.scored, member, prefix=2, suffix=3)
    np.testing.assert_array_equal(forced.values, [1, 0, np.nan, 0])
    free = positional_match(read["token"][None], read["truth"], member)
    # after 9 comes 0, and then the table counts on, one behind; reading would have told it 1
    np.testing.assert_allclose(free.values, [1, 2 / 3, np.nan, 0])


def test_reading_and_generating_agree_for_random_networks_and_any_length():
    rng = np.random.default_rng(0)
    corpus = letters(["".join(rng.choice(list("abc"), 12)) for _ in range(60)])
    torch.manual_seed(0)
    network = Summing(27)
    said = generations.signals(network, corpus, context=20, prefix=3, suffix=9)["token"]
    # what the network says itself, as documents: each is extracted at every length
    made = numbers([[*corpus.document(i)[:3].tolist(), *said[i].tolist()] for i in range(60)], 27).replace(bos=0)
    hit = tokens.signals(network, made, context=20)["hit"][None]
    member = np.ones((1, 60), np.int8)
    for prefix, suffix in ((3, 9), (3, 1), (5, 4), (11, 1)):
        again = generations.signals(network, made, context=20, prefix=prefix, suffix=suffix)
        free = discoverable_extraction_generated(again["token"][None], again["truth"], member)
        forced = discoverable_extraction(hit, made.offsets, made.scored, member, prefix=prefix, suffix=suffix)
        np.testing.assert_array_equal(free.values, 1)
        np.testing.assert_array_equal(forced.values, 1)


@pytest.mark.slow
def test_reading_equals_generating_on_a_trained_gpt():
    """Half of the documents were trained on until most are known by heart."""
    network, corpus, member = trained()
    hit = tokens.signals(network, corpus, context=64)["hit"][None]
    for prefix, suffix in ((8, 16), (4, 8), (12, 4)):
        read = generations.signals(network, corpus, context=64, prefix=prefix, suffix=suffix)
        free = discoverable_extraction_generated(read["token"][None], read["truth"], member)
        forced = discoverable_extraction(hit, corpus.offsets, corpus.scored, member, prefix=prefix, suffix=suffix)
        np.testing.assert_array_equal(free.values, forced.values)
        null = discoverable_extraction(hit, corpus.offsets, corpus.scored, member, prefix=prefix, suffix=suffix, side=0)
        assert np.nanmean(forced.values) > 0.6
        assert np.nanmean(null.values) < 0.1


def test_the_cache_says_what_reading_anew_says():
    network, corpus, _ = trained()
    given = torch.from_numpy(np.stack([corpus.document(i)[:6] for i in range(len(corpus))]).astype(np.int64))
    kept = generations.continued(network, given, 10)
    anew = generations.continued(torch.nn.Sequential(network), given, 10)
    assert torch.equal(kept, anew)


def test_generating_is_what_transformers_generates():
    network, corpus, _ = trained()
    given = torch.from_numpy(np.stack([corpus.document(i)[:6] for i in range(8)]).astype(np.int64))
    theirs = network.model.generate(
        given, attention_mask=torch.ones_like(given), max_new_tokens=10, do_sample=False, eos_token_id=None,
        pad_token_id=0,
    )  # fmt: skip
    assert torch.equal(generations.continued(network, given, 10), theirs[:, 6:])


def test_no_document_long_enough():
    read = generations.signals(counter(), numbers([[1, 2]], 10), context=8, prefix=2, suffix=3)
    assert (read["token"] == -1).all()


@pytest.mark.parametrize(("prefix", "suffix", "said"), [(0, 3, "Got 0"), (2, 0, "Got 0"), (6, 4, "context of 8")])
def test_impossible_lengths_are_refused(prefix, suffix, said):
    with pytest.raises(BadInput, match=said):
        generations.signals(counter(), numbers([[1, 2]], 10), context=8, prefix=prefix, suffix=suffix)
