from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from byrote.errors import BadInput
from byrote.probes.recall import Recall
from documents import Bigrams, Summing, numbers

CORPUS = numbers([[1, 2, 3, 0, 1, 1, 2], [4, 4, 1], [2], [3, 3, 0, 2]], 5)


def block(context: int = 8) -> SimpleNamespace:
    return SimpleNamespace(corpus=CORPUS, heldout_corpus=CORPUS.subset(np.array([3])), context=context, device="cpu")


def said(network: nn.Module, before: list[int], document: list[int]) -> float:
    """The mean over the tokens of a document but the first."""
    whole = [*before, *document]
    with torch.no_grad():
        log_p = network(torch.tensor([whole])).log_softmax(-1)[0].numpy()
    first = len(before) + 1
    return float(np.mean([log_p[at - 1, whole[at]] for at in range(first, len(whole))]))


def test_both_are_of_the_same_tokens() -> None:
    torch.manual_seed(0)
    network, shares = Summing(5), list[float]()
    found = Recall(before=3).read(network, block(), shares.append)
    for row, document in enumerate([[1, 2, 3, 0, 1], [4, 4, 1]]):  # cut to the 5 tokens that 3 of 8 leave
        assert found["given_log_probability"][row] == pytest.approx(said(network, [3, 3, 0], document), rel=1e-5)
        assert found["alone_log_probability"][row] == pytest.approx(said(network, [], document), rel=1e-5)
    assert np.isnan(found["given_log_probability"][2:]).all()  # nothing is predicted, and it stands before others
    assert np.isnan(found["alone_log_probability"][2:]).all()
    assert shares == sorted(shares)


def test_what_looks_at_one_token_does_not_mind_what_stands_before() -> None:
    network = Bigrams(5)
    with torch.no_grad():
        network.table.copy_(torch.from_numpy(np.random.default_rng(0).normal(0, 1.5, (5, 5))))
    found = Recall(before=2).read(network, block(), lambda share: None)
    np.testing.assert_allclose(found["given_log_probability"][:2], found["alone_log_probability"][:2], rtol=1e-6)
    log_p = network.table.detach().log_softmax(-1).numpy()
    assert found["alone_log_probability"][1] == pytest.approx(np.mean([log_p[a, b] for a, b in pairwise([4, 4, 1])]))


def test_without_held_out_documents_or_room_it_is_refused() -> None:
    with pytest.raises(BadInput, match="puts held-out documents before the others, and there are none"):
        Recall().with_texts(CORPUS, lambda: None)
    with pytest.raises(BadInput, match="4 tokens before a document leave no room for it in a context of 4"):
        Recall(before=4).refuse_unfit(CORPUS, 4, None)
    Recall(before=3).refuse_unfit(CORPUS, 4, None)
