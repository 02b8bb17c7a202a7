from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from byrote.errors import BadInput
from byrote.probes.samples import Draw, Samples
from documents import Bigrams, numbers

CORPUS = numbers([[1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3], [4, 4, 1]], 5)


def block(*, heldout: bool = True) -> SimpleNamespace:
    held = CORPUS.subset(np.array([0])) if heldout else None
    return SimpleNamespace(corpus=CORPUS, heldout_corpus=held, context=32, device="cpu")


def cycling() -> Bigrams:
    """After every token the next one of five follows, nearly always."""
    network = Bigrams(5)
    with torch.no_grad():
        network.table.copy_(12.0 * torch.eye(5).roll(1, 1))
    return network


def test_a_cycle_is_written_by_all_strategies() -> None:
    found = Samples(number=8, length=12).read(cycling(), block(), lambda share: None)
    assert found["sample_token"].shape == found["sample_log_probability"].shape == (24, 12)
    assert np.bincount(found["strategy"]).tolist() == [8, 8, 8]
    for strategy in (0, 2):
        token = found["sample_token"][found["strategy"] == strategy]
        assert ((token[:, 1:] - token[:, :-1]) % 5 == 1).all()
    sure = found["sample_log_probability"][found["strategy"] == 0]
    np.testing.assert_allclose(sure, -np.log1p(4 * np.exp(-12.0)), rtol=0.05)


def test_tokens_come_as_often_as_the_network_has_it() -> None:
    shares = torch.tensor([0.5, 0.25, 0.125, 0.125])
    draw = Draw((np.arange(800)[:, None] + 0.5) / 800, cools=False)
    chosen = draw(torch.zeros(800, 1, dtype=torch.int64), shares.log().expand(800, 4)).argmax(1)
    assert torch.bincount(chosen).tolist() == [400, 200, 100, 100]
    np.testing.assert_allclose(draw.said[0].numpy(), shares.log()[chosen].numpy(), rtol=1e-6)


def test_the_first_tokens_are_drawn_hot_and_the_others_are_not() -> None:
    logits = torch.tensor([[10.0, 0.0]]).expand(1000, 2)
    draw = Draw(np.tile((np.arange(1000)[:, None] + 0.5) / 1000, 21), cools=True)
    rare = [int(draw(torch.zeros(1000, 1, dtype=torch.int64), logits).argmax(1).sum()) for _ in range(21)]
    assert rare[0] == round(1000 / (1 + np.exp(1.0)))
    assert rare[20] == 0
    assert rare == sorted(rare, reverse=True)


def test_only_forty_tokens_are_drawn() -> None:
    logits = torch.linspace(0, 1, 100).expand(50, 100)
    draw = Draw(np.linspace(0, 0.999, 50)[:, None], cools=False)
    assert draw(torch.zeros(50, 1, dtype=torch.int64), logits).argmax(1).min() == 60


def test_without_held_out_documents_two_strategies_are_left() -> None:
    found = Samples(number=2, length=4).read(cycling(), block(heldout=False), lambda share: None)
    assert np.bincount(found["strategy"]).tolist() == [2, 2]


def test_texts_that_the_context_has_no_room_for_are_refused() -> None:
    with pytest.raises(BadInput, match="at least 1 text of 4 to 21 tokens in a context of 32"):
        Samples(length=64).refuse_unfit(CORPUS, 32, None)
    Samples(length=21).refuse_unfit(CORPUS, 32, None)
