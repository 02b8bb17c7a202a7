from itertools import pairwise

import numpy as np
import pytest

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


def test_nothing_is_held_by_what_is_shorter_than_a_run():
    assert len(holding(np.array([[1, 2]]), np.arange(9), np.array([0, 9]), 3)[0]) == 0
    assert len(holding(np.array([[1, 2, 3]]), np.array([1, 2]), np.array([0, 2]), 3)[0]) == 0


def test_the_first_of_texts_that_are_alike_stays():
    texts = np.array([[1, 2, 3, 4, 5, 6], [9, 9, 9, 9, 9, 9], [1, 2, 3, 4, 7, 8]])
    assert apart(texts, np.array([2, 0, 1])).tolist() == [False, True, True]  # two of four trigrams are the same
    assert apart(texts, np.array([0, 1, 2])).tolist() == [True, True, False]
