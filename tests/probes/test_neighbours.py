from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from byrote.errors import BadInput
from byrote.probes import tokens
from byrote.probes.neighbours import Neighbours, mean_of_scored, replaced
from documents import Bigrams, numbers

CORPUS = numbers([[1, 2, 3, 0] * 5, [4, 4, 1], [2]], 5)


def test_a_tenth_of_the_tokens_differs_and_always_the_same() -> None:
    first = replaced(CORPUS, 0.1, 0)
    for start, stop, most in ((0, 20, 2), (20, 23, 1), (23, 24, 1)):
        assert (first[start:stop] != CORPUS.tokens[start:stop]).sum() <= most
    assert (replaced(CORPUS, 0.1, 0) == first).all()
    assert any((replaced(CORPUS, 0.1, draw) != first).any() for draw in (1, 2, 3))
    alone = CORPUS.subset(np.array([0]))  # the places are those of the document, wherever it stands
    assert (replaced(alone, 1.0, 0) != alone.tokens).any()


def test_a_uniform_network_says_the_same_of_neighbours() -> None:
    block = SimpleNamespace(corpus=CORPUS, device="cpu", context=32)
    shares = list[float]()
    read = Neighbours(number=2).read(Bigrams(5), block, shares.append)["neighbour_log_probability"]
    np.testing.assert_allclose(read[:2], -np.log(5), rtol=1e-6)
    assert np.isnan(read[2])  # of one token nothing is predicted
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_the_mean_over_neighbours_is_that_of_their_texts() -> None:
    network = Bigrams(5)
    with torch.no_grad():
        network.table.copy_(torch.from_numpy(np.random.default_rng(0).normal(0, 1.5, (5, 5))))
    block = SimpleNamespace(corpus=CORPUS, device="cpu", context=32)
    read = Neighbours(number=3, share=0.3).read(network, block, tokens.silent)["neighbour_log_probability"]
    log_p = network.table.detach().double().log_softmax(-1).numpy()
    by_hand = []
    for draw in range(3):
        said = replaced(CORPUS, 0.3, draw)[:20]
        by_hand.append(np.mean([log_p[a, b] for a, b in pairwise(said)]))
    assert read[0] == pytest.approx(np.mean(by_hand), rel=1e-5)
    assert np.isnan(mean_of_scored(CORPUS, np.zeros(24)))[2]


@pytest.mark.parametrize("setting", [{"number": 0}, {"share": 0.0}, {"share": 1.5}])
def test_impossible_settings_are_refused(setting: dict[str, float]) -> None:
    with pytest.raises(BadInput, match="Neighbours must be at least 1"):
        Neighbours(**setting)  # type: ignore[arg-type]
