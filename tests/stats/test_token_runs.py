import tracemalloc
from itertools import pairwise

import numpy as np
import pytest

from byrote.stats import token_runs
from byrote.stats.token_runs import apart, holding


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_agrees_with_looking_at_every_place(width):
    rng = np.random.default_rng(width)
    texts, offsets = rng.integers(3, size=(5, 6)), np.array([0, 4, 4, 5, 12, 20])
    token = rng.integers(3, size=20)
    runs = [{tuple(row[at : at + width]) for at in range(7 - width)} for row in texts.tolist()]
    there = [token[start:stop].tolist() for start, stop in pairwise(offsets.tolist())]
    expected = {
        (text, document)
        for text, mine in enumerate(runs)
        for document, own in enumerate(there)
        if mine & {tuple(own[at : at + width]) for at in range(len(own) - width + 1)}
    }
    found = holding(texts, token, offsets, width)
    assert {*zip(found[0].tolist(), found[1].tolist(), strict=True)} == expected
    assert len(found[0]) == len(expected)


def test_tokens_that_repeat_are_not_joined_with_each_other():
    """64 texts of one token, which stands 6,000 times in the corpus: 13 million pairs of places, 128 of documents."""
    tracemalloc.start()
    text, document = holding(np.full((64, 64), 7), np.full(6_000, 7), np.array([0, 2_000, 2_010, 6_000]), 30)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert text.tolist() == np.repeat(np.arange(64), 2).tolist()
    assert document.tolist() == [0, 2] * 64
    assert most < 20e6


def test_runs_of_one_number_are_told_apart(monkeypatch):
    """Where all runs have the same number the tokens alone decide."""
    monkeypatch.setattr(token_runs, "_runs", lambda token, width: np.zeros(len(token) - width + 1, np.uint64))
    text, document = holding(np.array([[1, 2, 3], [4, 5, 9]]), np.array([2, 1, 2, 4, 5]), np.array([0, 3, 5]), 2)
    assert list(zip(text.tolist(), document.tolist(), strict=True)) == [(0, 0), (1, 1)]


def test_nothing_is_held_by_what_is_shorter_than_a_run():
    assert len(holding(np.array([[1, 2]]), np.arange(9), np.array([0, 9]), 3)[0]) == 0
    assert len(holding(np.array([[1, 2, 3]]), np.array([1, 2]), np.array([0, 2]), 3)[0]) == 0


def test_the_first_of_texts_that_are_alike_stays():
    texts = np.array([[1, 2, 3, 4, 5, 6], [9, 9, 9, 9, 9, 9], [1, 2, 3, 4, 7, 8]])
    assert apart(texts, np.array([2, 0, 1])).tolist() == [False, True, True]  # two of four trigrams are the same
    assert apart(texts, np.array([0, 1, 2])).tolist() == [True, True, False]
