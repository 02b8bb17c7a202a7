from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from byrote.data.canary_tokens import Node, SecretTree
from byrote.probes.secret_search import search_rank


def tree_of(pieces, contains=lambda tokens: True) -> SecretTree:
    return SecretTree(pieces=tuple(Node(dict.fromkeys(choices)) for choices in pieces), contains=contains)


class Table:
    """A language model whose answers are drawn once for every beginning."""

    def __init__(self, vocabulary: int, seed: int, sharpness: float = 2.0) -> None:
        self.vocabulary, self.seed, self.sharpness = vocabulary, seed, sharpness
        self.asked = 0

    def bits(self, beginning) -> np.ndarray:
        rng = np.random.default_rng([self.seed, *beginning])
        logits = rng.normal(0, self.sharpness, self.vocabulary)
        return -np.log2(np.exp(logits) / np.exp(logits).sum())

    def ask(self, beginnings) -> np.ndarray:
        self.asked += len(beginnings)
        return np.stack([self.bits(tuple(beginning)) for beginning in beginnings])

    def log_perplexity(self, tokens) -> float:
        return sum(float(self.bits(tokens[:place])[token]) for place, token in enumerate(tokens))


@settings(max_examples=15)
@given(st.integers(0, 10**6), st.lists(st.integers(1, 4), min_size=1, max_size=4), st.booleans())
def test_the_search_equals_asking_about_every_secret(seed, sizes, checked):
    contains = (lambda tokens: sum(tokens) % 3 != 1) if checked else (lambda tokens: True)
    pieces = [range(size) for size in sizes]
    secrets = [tokens for tokens in itertools.product(*pieces) if contains(tokens)]
    if not secrets:
        return
    model = Table(5, seed)
    values = np.array([model.log_perplexity(tokens) for tokens in secrets])
    chosen = seed % len(secrets)
    found = search_rank(
        tree_of(pieces, contains), len(sizes), values[chosen], model.ask, size=float(len(secrets)), budget=10**4
    )
    assert found.complete
    assert found.least == found.most == 1 + (values < values[chosen]).sum()


@settings(max_examples=15)
@given(st.integers(0, 10**6), st.integers(0, 40))
def test_the_bounds_hold_wherever_the_budget_ends(seed, budget):
    pieces = [range(4)] * 4
    model = Table(4, seed)
    secrets = list(itertools.product(*pieces))
    values = np.array([model.log_perplexity(tokens) for tokens in secrets])
    chosen = seed % len(secrets)
    found = search_rank(tree_of(pieces), 4, values[chosen], model.ask, size=256.0, budget=budget)
    assert found.least <= 1 + (values < values[chosen]).sum() <= found.most <= 256
    assert found.nodes == model.asked <= budget


def test_a_memorized_secret_takes_few_nodes():
    secret = (3, 1, 4, 1, 5, 9)

    def ask(beginnings):
        rows = np.full((len(beginnings), 10), -np.log2(0.1 / 9))
        for row, tokens in zip(rows, beginnings, strict=True):
            if tuple(tokens) == secret[: len(tokens)]:
                row[secret[len(tokens)]] = -np.log2(0.9)
        return rows

    found = search_rank(tree_of([range(10)] * 6), 6, -6 * np.log2(0.9), ask, size=1e6, budget=100)
    assert (found.least, found.most, found.nodes) == (1, 1, 6)


def test_a_uniform_model_ties_everything():
    def ask(beginnings):
        return np.full((len(beginnings), 10), np.log2(10))

    found = search_rank(tree_of([range(10)] * 3), 3, 3 * np.log2(10), ask, size=1e3, budget=1000)
    assert (found.least, found.most, found.complete) == (1, 1000, True)
    far = search_rank(tree_of([range(10)] * 6), 6, 6 * np.log2(10), ask, size=1e6, budget=100)
    assert (far.least, far.most, far.nodes, far.complete) == (1, 10**6, 0, False)


@pytest.mark.parametrize("bits", [3.0, 11.5])
def test_without_a_search_a_rank_is_at_most_two_to_the_log_perplexity(bits):
    found = search_rank(tree_of([range(10)] * 6), 6, bits, Table(10, 0).ask, size=1e6, budget=0)
    assert found.least == 1
    assert found.most == pytest.approx(2**bits, rel=1e-2)


def test_pieces_of_several_tokens_and_the_length():
    long = Node({1: Node({2: None, 3: None}), 4: None})  # "1 2", "1 3" or "4"
    tree = SecretTree(pieces=(long, long), contains=lambda tokens: True)
    assert tree.ways == (9, 3, 1)
    ask = lambda beginnings: np.full((len(beginnings), 5), 1.0)  # noqa: E731
    found = search_rank(tree, 3, 3.0, ask, size=4.0, budget=100)  # three tokens: 1x4 and 4 1x, four in all
    assert (found.least, found.most, found.complete) == (1, 4, True)
