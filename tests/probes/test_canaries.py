"""A language model that is a look-up table: what it says of canaries is known beforehand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from byrote.data.canaries import plant
from byrote.data.canary_tokens import tokenize_canaries
from byrote.data.corpus import corpus_from_texts
from byrote.errors import BadInput
from byrote.evidence.schema import SCHEMA
from byrote.probes.canaries import signals

PLAIN = corpus_from_texts(["one stands here", "two stands here"], name="plain")
VOCABULARY = 256


def characters(texts):
    return [[ord(character) for character in text] for text in texts]


class Bigrams(nn.Module):
    """Every token depends on the one before it, as a table says."""

    def __init__(self, seed: int | None) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed or 0)
        table = torch.randn(VOCABULARY, VOCABULARY, generator=generator, dtype=torch.float64)
        self.table = nn.Parameter(table * (seed is not None) * 2)

    def forward(self, inputs):
        return self.table[inputs]


class Memory(nn.Module):
    """Gives the next token of the texts it knows probability .9, and all others the same."""

    def __init__(self, texts) -> None:
        super().__init__()
        self.known = {tuple(row[:end]): row[end] for row in characters(texts) for end in range(len(row))}

    def forward(self, inputs):
        logits = torch.zeros(*inputs.shape, VOCABULARY)
        for row, tokens in enumerate(inputs.tolist()):
            for place in range(len(tokens)):
                following = self.known.get(tuple(tokens[1 : place + 1]))
                if following is not None:
                    logits[row, place, following] = np.log(0.9 / (0.1 / (VOCABULARY - 1)))
        return logits


def made(digits=3, level=2, repeat=(1, 4), references=30, bos=0):
    planted = plant(PLAIN, level=level, repeat=repeat, rng=np.random.default_rng(0), encode=characters, digits=digits)
    corpus = planted.corpus.joined(planted.controls, "both").tokenized(characters, vocabulary=VOCABULARY, bos=bos)
    asked = tokenize_canaries(planted.canaries, corpus, characters, context=100, references=references)
    return planted.canaries, corpus, asked


def read(network, corpus, asked, **options):
    return signals(network, corpus, canaries=asked, device="cpu", context=100, **options)


@pytest.mark.parametrize("bos", [0, None])
def test_log_perplexities_equal_a_loop_over_tokens(bos):
    canaries, corpus, asked = made(bos=bos)
    network = Bigrams(1)
    found = read(network, corpus, asked)
    bits = -torch.log_softmax(network.table, -1).detach().numpy() / np.log(2)
    for number, canary in enumerate(canaries):
        assert asked.canaries[number].span == len(canary.secret)
        expected = sum(bits[ord(a), ord(b)] for a, b in itertools.pairwise(f" {canary.secret}"))
        np.testing.assert_allclose(found["log_perplexity"][number], expected, rtol=1e-6)
        texts = ["".join(map(chr, row)).removeprefix(canary.prefix) for row in asked.canaries[number].rows]
        others = [sum(bits[ord(a), ord(b)] for a, b in itertools.pairwise(t)) for t in texts[1:]]
        np.testing.assert_allclose(found["reference_log_perplexity"][number], others, rtol=1e-6)


def test_ranks_equal_those_among_all_secrets():
    canaries, corpus, asked = made(digits=3)
    network = Bigrams(2)
    found = read(network, corpus, asked, nodes=10**4)
    bits = -torch.log_softmax(network.table, -1).detach().numpy() / np.log(2)
    for number, canary in enumerate(canaries):
        secrets = list(canaries.spaces[canary.kind].all())
        values = [sum(bits[ord(a), ord(b)] for a, b in itertools.pairwise(f" {secret}")) for secret in secrets]
        rank = 1 + sum(value < values[secrets.index(canary.secret)] - 1e-3 for value in values)
        assert found["rank_least"][number] == rank
        assert found["rank_most"][number] >= rank  # digits in another order may tie


def test_what_is_known_by_rote_ranks_first_of_a_million():
    canaries, corpus, asked = made(digits=6, level=3)
    trained = [canary.text for canary in canaries if canary.planted]
    found = read(Memory(trained), corpus, asked)
    planted = np.array([canary.planted > 0 for canary in canaries])
    np.testing.assert_allclose(found["log_perplexity"][planted], -6 * np.log2(0.9), rtol=1e-5)
    np.testing.assert_array_equal(found["rank_most"][planted], 1)
    np.testing.assert_array_equal(found["rank_least"], 1)
    assert (found["rank_most"][~planted] == 10**6).all()


def test_columns_are_as_the_schema_says():
    canaries, corpus, asked = made()
    shares = []
    found = read(Bigrams(1), corpus, asked, progress=shares.append)
    assert set(found) == set(SCHEMA["canaries"])
    for name, array in found.items():
        entry = SCHEMA["canaries"][name]
        assert array.dtype == entry.dtype
        assert array.ndim == len([word for word in entry.dims if word != "model"])
    assert shares[-1] == 1.0
    np.testing.assert_array_equal(found["document"], canaries.located(corpus))
    np.testing.assert_array_equal(found["repetitions"], [0, 0, 1, 1, 4, 4])
    assert found["space_bits"] == pytest.approx(np.log2(1000))


def test_a_space_of_four_digits_is_searched_to_its_end():
    """1 + 10 + 100 + 1,000 beginnings, where 512 would end the search."""
    canaries, corpus, asked = made(digits=4, level=1, repeat=(1,))
    assert [canary.tree.nodes for canary in asked.canaries] == [1111, 1111]
    flat = Bigrams(None)  # every secret is as likely as any other, so that none can be passed over
    found = read(flat, corpus, asked)
    np.testing.assert_array_equal(found["rank_least"], 1)
    np.testing.assert_array_equal(found["rank_most"], 10_000)
    network = Bigrams(3)
    bits = -torch.log_softmax(network.table, -1).detach().numpy() / np.log(2)
    values = {
        secret: sum(bits[ord(a), ord(b)] for a, b in itertools.pairwise(f" {secret}"))
        for secret in canaries.spaces["random_digits"].all()
    }
    found = read(network, corpus, asked)
    for number, canary in enumerate(canaries):
        own = values[canary.secret]
        assert found["rank_least"][number] == 1 + sum(value < own - 1e-3 for value in values.values())
        assert found["rank_most"][number] == sum(value < own + 1e-3 for value in values.values())


def test_a_large_space_is_searched_as_far_as_is_said():
    rows = []

    class Counting(Bigrams):
        def forward(self, inputs):
            rows.append(len(inputs))
            return super().forward(inputs)

    _, corpus, asked = made(digits=6, level=1, repeat=(1,))
    assert asked.canaries[0].tree.nodes == 111_111
    for nodes in (0, 300):
        rows.clear()
        read(Counting(1), corpus, asked, nodes=nodes)
        once = 1 + sum(len(canary.rows) for canary in asked.canaries)
        assert sum(rows) <= once + (1 + len(asked.canaries)) * nodes + len(asked.canaries)


def test_no_search_gives_no_ranks():
    _, corpus, asked = made()
    found = read(Bigrams(1), corpus, asked, nodes=0)
    assert np.isnan(found["rank_most"]).all()
    assert np.isfinite(found["log_perplexity"]).all()


def test_half_precision_is_summed_in_float32():
    _, corpus, asked = made()
    network = Bigrams(1)
    exact = read(network, corpus, asked)["log_perplexity"]
    rounded = read(network.to(torch.bfloat16), corpus, asked)["log_perplexity"]
    np.testing.assert_allclose(rounded, exact, rtol=0.02)


def test_what_cannot_be_read_is_refused():
    _, corpus, asked = made()
    network = Bigrams(1)
    with pytest.raises(BadInput, match="sees 10"):
        signals(network, corpus, canaries=asked, device="cpu", context=10)
    with pytest.raises(BadInput, match="another corpus"):
        read(network, corpus.subset(np.arange(3)), asked)
    network.table.data[:] = torch.nan
    with pytest.raises(BadInput, match="not all finite"):
        read(network, corpus, asked)
