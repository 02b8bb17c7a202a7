"""Keys and values, on a network in which each unit holds what follows a token."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import t
from torch import nn

from byrote.analyses.catalog import ask
from byrote.analyses.feed_forward_units import _figure, of_one
from byrote.engine.afterwards import probe
from byrote.errors import BadInput
from byrote.probes.feed_forward import gated, listened, output_embedding, second_matrices, values_of
from byrote.probes.feed_forward_units import FeedForwardUnitsProbe, merged, rank_of
from byrote.report.verify import verify
from documents import letters, small_language_audit
from probes.memories import IDLE, TOKENS, UNCHANGED, Memories


def test_the_parts_of_a_network() -> None:
    network = Memories()
    matrices = second_matrices(network)
    assert [*matrices] == ["down_proj"]
    values = values_of(network.down_proj, TOKENS + IDLE)
    assert values[3].argmax() == 4
    torch.testing.assert_close(output_embedding(network, TOKENS), torch.eye(TOKENS))
    with listened([network.down_proj]) as found:
        network(torch.tensor([[3, 5]]))
    assert found[0][0].argmax(1).tolist() == [3, 5]
    silent = lambda given: given * (torch.arange(TOKENS + IDLE) != 3)  # noqa: E731  # as short as a change is
    with gated([network.down_proj], [silent]):
        assert network(torch.tensor([[3, 5]]))[0, 0].abs().max() == 0
    assert not network.down_proj._forward_pre_hooks


def test_models_of_transformers_are_known_by_their_names() -> None:
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    config = transformers.GPT2Config(n_layer=2, n_head=2, n_embd=8, n_inner=12, vocab_size=11, n_positions=8)
    network = transformers.GPT2LMHeadModel(config).eval()
    matrices = second_matrices(network)
    assert [*matrices] == ["transformer.h.0.mlp.c_proj", "transformer.h.1.mlp.c_proj"]
    first = matrices["transformer.h.0.mlp.c_proj"]
    torch.testing.assert_close(values_of(first, 12)[5], first(torch.eye(12))[5] - first(torch.zeros(1, 12))[0])
    assert output_embedding(network, 11) is not None


def test_the_largest_are_merged_as_all_at_once() -> None:
    values = torch.randn(30, 4)
    best, where = torch.empty(0, 0), torch.empty(0, 0, dtype=torch.int64)
    for rows in torch.split(torch.arange(30), 7):
        best, where = merged(best, where, values[rows], rows, 5)
    expected = values.topk(5, 0)
    torch.testing.assert_close(best, expected.values)
    np.testing.assert_array_equal(where, expected.indices)
    logits = np.random.default_rng(0).normal(size=(6, 9))
    ranks = [1 + int((row > row[token]).sum()) for token, row in enumerate(logits)]
    assert rank_of(logits, np.arange(6)).tolist() == ranks


def test_each_unit_writes_what_follows_its_token(tmp_path: Path) -> None:
    corpus = letters([*["abcdefgh"] * 6, "mnopqrs", "uuuuuu"], name="alphabets")
    run = small_language_audit(
        tmp_path / "run", corpus=corpus, recipe=UNCHANGED, generate=None, keep_weights_at="last", checkpoints=2
    )
    run = probe(run, "feed_forward_units,top=2")
    (place,) = run.load("feed_forward_units.place", [0])
    (rank,) = run.load("feed_forward_units.next_rank", [0])
    member = run.design.member[0] == 1
    shown = [corpus.document(row) for row in np.flatnonzero(member[:8])]
    keys = {int(token) for document in shown for token in document[:-1]} | {0}
    assert {unit for unit in range(TOKENS + IDLE) if place[unit, 0] >= 0} == keys
    assert (rank[[*keys - {0, 21}]] == 1).all()  # 21 is u, whose successor is u again; 0 begins every document
    assert rank[TOKENS:].tolist() == [0] * IDLE
    fires = place[:, 0] >= 0
    before = np.concatenate([[0], run.load("corpus.token", [0])[:-1]])
    before[run.offsets[:-1]] = 0
    np.testing.assert_array_equal(before[place[fires, 0]], np.flatnonzero(fires))
    table = ask(run, "feed_forward_units")
    assert table.figures["write what comes next"][0].value > 0.7
    assert table.figures["by chance"][0].value < 0.3
    assert verify(run) == []


def test_a_share_has_students_interval_over_models() -> None:
    each = np.array([[0.2], [0.4], [0.9]])
    found, reach = _figure(each, np.full(3, -1), 7), t.ppf(0.975, 2) * each.std(ddof=1) / np.sqrt(3)
    assert (found.value, found.low, found.high) == pytest.approx((0.5, 0.0, 0.5 + reach))


def test_units_of_one_document_alone() -> None:
    cluster = np.array([[[1, 1, 1], [1, 1, 2], [-1, -1, -1], [1, 1, -1]]])
    assert of_one(cluster).tolist() == [[True, False, False, False]]


def test_what_cannot_be_read_is_refused() -> None:
    with pytest.raises(BadInput, match="'top' setting"):
        FeedForwardUnitsProbe(top=0)
    with pytest.raises(BadInput, match="no feed-forward layer that is known"):
        second_matrices(nn.Sequential(nn.Linear(2, 2)))
    with pytest.raises(BadInput, match=r"no feed-forward layer down\."):
        second_matrices(Memories(), ["down"])
    with pytest.raises(BadInput, match="no output embedding"):
        output_embedding(nn.Sequential(nn.Linear(2, 2)), 2)
