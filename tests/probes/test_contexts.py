import numpy as np
import pytest
import torch

from byrote.errors import BadInput
from byrote.measures.discoverable_extraction import discoverable_extraction
from byrote.probes import contexts, tokens
from byrote.stats.log_linear import log_linear
from documents import Bigrams, Summing, letters, numbers
from probes.trained import trained


@pytest.mark.parametrize("bos", [None, 0])
def test_equals_a_slow_loop(bos):
    rng = np.random.default_rng(1)
    corpus = letters(["".join(rng.choice(list("ab"), int(n))) for n in rng.integers(4, 12, 40)]).replace(bos=bos)
    torch.manual_seed(2)
    network = Summing(27)
    with torch.no_grad():
        network.head.bias[1:3] += 4  # a and b are in question, nothing else
    read = contexts.signals(network, corpus, context=16, lengths=(1, 2, 5), suffix=2)
    np.testing.assert_array_equal(read["asked"], corpus.lengths >= 7)
    for row, length in enumerate((1, 2, 5)):
        for index in range(40):
            document, right = corpus.document(index).tolist(), bool(read["asked"][index])
            for place in (5, 6) if right else ():
                before = ([] if bos is None else [bos]) + document[5 - length : place]
                right &= network(torch.tensor([before]))[0, -1].argmax().item() == document[place]
            assert read["reached"][row, index] == right
    assert 0 < read["reached"].mean() < 1


def test_a_table_needs_no_more_than_one_token():
    table = Bigrams(5)
    with torch.no_grad():
        table.table.copy_(torch.eye(5).roll(1, 1))
    hit = contexts.signals(table, numbers([[0, 1, 2, 3, 4], [0, 2, 2, 3, 1]], 5), context=9, lengths=(1, 3), suffix=2)[
        "reached"
    ]
    np.testing.assert_array_equal(hit, [[True, False], [True, False]])


def test_the_longest_context_of_whole_documents_is_that_of_the_token_record():
    network, corpus, _ = trained()
    hit = contexts.signals(network, corpus, context=64, lengths=(2, 16), suffix=8)["reached"]
    whole = tokens.signals(network, corpus, context=64)["hit"].reshape(32, 24)[:, 16:].all(1)
    np.testing.assert_array_equal(hit[1], whole)
    assert hit[1].sum() > 8
    assert hit[0].sum() == 0  # it met its documents only whole


def test_a_fit_says_how_much_more_context_brings_out():
    """What a trained GPT extracts after the first 1, 2, 4 or 8 tokens of a document."""
    network, corpus, member = trained()
    hit = tokens.signals(network, corpus, context=64)["hit"][None]
    lengths = (1, 2, 4, 8)
    found = np.stack(
        [
            discoverable_extraction(hit, corpus.offsets, corpus.scored, member, prefix=length, suffix=8).values[:16]
            for length in lengths
        ]
    )
    fit = log_linear(found.ravel(), {"prefix": np.repeat(lengths, 16)}, [np.tile(np.arange(16), 4)])
    assert fit.low[1] > 0.1


@pytest.mark.parametrize(("lengths", "suffix", "said"), [((0,), 2, "at least 1"), ((4,), 9, "context of 8")])
def test_impossible_lengths_are_refused(lengths, suffix, said):
    with pytest.raises(BadInput, match=said):
        contexts.signals(Bigrams(5), numbers([[1]], 5), context=8, lengths=lengths, suffix=suffix)
