from __future__ import annotations

import numpy as np
import pytest
import torch

from byrote.changes.model.gradient_difference import GradientDifference
from byrote.changes.model.npo import NPO
from byrote.changes.model.training import as_it_is, batches, log_probability
from byrote.data.corpus import corpus_from_texts
from byrote.errors import BadInput
from unlearned import fitted, loss_on, read, weights


def test_the_first_step_is_that_of_the_gradient_difference():
    """At the start the ratio is 0 for all, and 2 sigmoid(0) = 1."""
    one, other = (
        weights(change.apply(*fitted()))
        for change in (NPO(beta=3.0, epochs=1, rate=0.5), GradientDifference(epochs=1, rate=0.5))
    )
    for name, weight in one.items():
        np.testing.assert_allclose(weight, other[name], rtol=1e-6, atol=1e-7)


def test_a_later_step_climbs_by_the_gradient_of_the_formula():
    """Without a rest: after one step of another kind, against the gradient of -(2 / beta) log sigmoid(-beta r)."""
    model, context = fitted()
    start = as_it_is(model)
    moved = GradientDifference(epochs=4, rate=1.0).apply(model, context)
    network = moved.algorithm.network(moved.state)
    batch = batches(moved.algorithm, context, context.forget, torch.device("cpu"))[0]
    ratio = log_probability(network, batch) - log_probability(start, batch)
    assert ratio.abs().max() > 0.1
    named = dict(network.named_parameters())
    log_p = network(batch.inputs).log_softmax(-1)[torch.arange(8), batch.targets]
    before = log_probability(start, batch)
    loss = (-(2 / 0.7) * torch.nn.functional.logsigmoid(-0.7 * (log_p - before))).mean()
    wanted = torch.autograd.grad(loss, list(named.values()))
    got = torch.autograd.grad(
        (2 * torch.sigmoid(0.7 * ratio) * network(batch.inputs).log_softmax(-1)[torch.arange(8), batch.targets]).mean(),
        list(named.values()),
    )
    for one, other in zip(wanted, got, strict=True):
        torch.testing.assert_close(one, other)


def test_what_is_unlikely_already_is_climbed_less_than_without_bound():
    losses = {}
    for change in (NPO(beta=3.0, epochs=30, rate=1.0), GradientDifference(epochs=30, rate=1.0)):
        model, context = fitted(hidden=(16,))
        before = loss_on(model, context, context.forget)
        losses[change.name] = loss_on(change.apply(model, context), context, context.forget)
    assert before < losses["npo"] < losses["gradient-difference"]


def test_the_log_probability_of_a_text_is_the_sum_over_its_own_tokens():
    corpus = corpus_from_texts(["a", "b"]).tokenized(lambda texts: [[1, 2, 1], [3, 0]], vocabulary=4)
    model, context = read(corpus, np.array([0, 1]), length=8)
    (batch,) = batches(model.algorithm, context, np.array([0, 1]), torch.device("cpu"))
    table = weights(model)["table"]
    log_p = table - np.log(np.exp(table).sum(1, keepdims=True))
    found = log_probability(model.algorithm.network(model.state), batch)[0].numpy()
    of_first = log_p[1, 2] + log_p[2, 1]
    place = batch.documents[0].tolist()
    assert found[place.index(0)] == pytest.approx(of_first, rel=1e-5)
    within = sum(
        log_p[int(a), int(b)] for a, b, d in zip(batch.inputs[0], batch.targets[0], place, strict=True) if d == 1
    )
    assert found[place.index(1)] == pytest.approx(within, rel=1e-5)


def test_texts_can_be_unlearned():
    corpus = corpus_from_texts(["a", "b"]).tokenized(lambda texts: [[1, 2, 1, 2, 1], [3, 0, 3]], vocabulary=4)
    model, context = read(corpus, np.array([0]), length=4, batch_size=1)
    before = weights(model)["table"]
    after = weights(NPO(beta=0.1, epochs=5, rate=1.0).apply(model, context))["table"]

    def of(table):
        return table[1, 2] - np.log(np.exp(table[1]).sum())

    assert of(after) < of(before)


@pytest.mark.parametrize("beta", [0.0, -1.0, float("nan")])
def test_a_beta_of_none(beta):
    with pytest.raises(BadInput, match=r"'beta' argument of npo must be above 0"):
        NPO(beta=beta)
