from __future__ import annotations

import numpy as np
import pytest

from byrote.studies.repeated_first import earlier, halves, repeating


def test_each_example_is_repeated_by_one_of_a_pair() -> None:
    often = halves(np.random.default_rng(0), 3, 10)
    assert often.sum(1).tolist() == [5] * 6
    assert (often[0::2] ^ often[1::2]).all()


def test_the_effect_is_what_repetition_takes_off_an_examples_own_loss() -> None:
    rng = np.random.default_rng(0)
    often = halves(rng, 2, 6)
    hard = rng.gamma(2, 1, 6)  # however hard an example is, it is held against itself
    taken = np.array([0.3, 0.3, 0.1, 0.1])
    loss = np.broadcast_to((hard - taken[:, None] * often)[:, None], (4, 5, 6))
    assert earlier(loss, often) == pytest.approx([0.3, 0.1])


def test_the_design_shows_them_so_often_in_pairs() -> None:
    count = np.array([[8, 1], [1, 8]], np.uint8)
    design = repeating(count)
    assert design.phases[0].count.tolist() == [[8, 1], [1, 8]]
    assert design.pair.tolist() == [0, 0]
