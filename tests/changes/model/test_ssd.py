from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

import byrote
from byrote.changes.change import refuse_unfit
from byrote.changes.model.gradient_difference import GradientDifference
from byrote.changes.model.npo import NPO
from byrote.changes.model.scrub import Scrub
from byrote.changes.model.ssd import SSD, importance
from byrote.data.corpus import corpus_from_texts
from byrote.errors import BadInput
from unlearned import fitted, loss_on, read, weights


def squared(model, context, rows):
    """Of a linear network: the squared gradient of an example is ((p - y) x)^2 by weight and (p - y)^2 by bias."""
    inputs, targets = context.dataset.inputs[rows], context.dataset.targets[rows]
    logits = model.algorithm.predict(model.state, torch.from_numpy(inputs)).numpy()
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    apart = p - np.eye(3)[targets]
    return [
        np.mean([np.outer(one, x) ** 2 for one, x in zip(apart, inputs, strict=True)], axis=0),
        (apart**2).mean(0),
    ]


def test_importance_and_dampening_of_a_linear_network_are_those_of_the_formula():
    model, context = fitted()
    everything = np.arange(60)
    of_forgotten, of_all = squared(model, context, context.forget), squared(model, context, everything)
    for found, wanted in zip(importance(model, context, context.forget), of_forgotten, strict=True):
        np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-4, atol=1e-7)
    before = list(weights(model).values())
    after = list(weights(SSD(above=0.8, shrink=0.5).apply(model, context)).values())
    changed = 0
    for was, now, mine, all_ in zip(before, after, of_forgotten, of_all, strict=True):
        chosen = mine > 0.8 * all_
        changed += int(chosen.sum())
        np.testing.assert_allclose(now, np.where(chosen, was * np.minimum(0.5 * all_ / mine, 1), was), rtol=1e-4)
    assert 0 < changed < 9


def test_where_no_weight_matters_so_much_more_nothing_changes():
    model, context = fitted(hidden=(16,))
    before = weights(model)
    for change, about in (
        (SSD(above=np.inf), context),
        (SSD(), dataclasses.replace(context, forget=context.forget[:0])),
    ):
        after = weights(change.apply(model, about))
        assert all((after[name] == weight).all() for name, weight in before.items())


def test_the_network_trains_on_as_before_and_texts_are_read_by_row():
    corpus = corpus_from_texts(["a", "b"]).tokenized(lambda texts: [[1, 2, 1], [3, 0]], vocabulary=4)
    model, context = read(corpus, np.array([0]), length=2, batch_size=1)
    assert model.algorithm.network(model.state).training
    table = weights(model)["table"]
    p = np.exp(table) / np.exp(table).sum(1, keepdims=True)
    of_row = np.zeros((4, 4))
    of_row[1], of_row[2] = p[1] - np.eye(4)[2], p[2] - np.eye(4)[1]
    (found,) = importance(model, context, np.array([0]))
    np.testing.assert_allclose(found.numpy(), of_row**2, rtol=1e-4, atol=1e-7)
    changed = SSD(above=1.0, shrink=0.5).apply(model, context)
    assert model.algorithm.network(changed.state).training
    after = weights(changed)["table"]
    assert (np.abs(after[1]) < np.abs(table[1])).all()
    np.testing.assert_array_equal(after[3], table[3])


def test_the_forgotten_lose_more_than_the_rest():
    model, context = fitted(hidden=(64,))
    before = [loss_on(model, context, rows) for rows in (context.forget, context.retain)]
    changed = SSD(above=1.5).apply(model, context)
    after = [loss_on(changed, context, rows) for rows in (context.forget, context.retain)]
    assert after[0] - before[0] > after[1] - before[1]


@pytest.mark.parametrize("settings", [{"above": 0.0}, {"above": np.nan}, {"shrink": -1.0}])
def test_settings_that_are_none(settings):
    with pytest.raises(BadInput, match=r"ssd takes 'above' above 0"):
        SSD(**settings)


def test_numbers_are_refused_before_anything_trains():
    numbers = byrote.from_arrays(np.arange(12.0).reshape(6, 2), np.arange(6) + 0.5, task="regression")
    for change in (SSD(), NPO(), Scrub()):
        with pytest.raises(BadInput, match=f"The change '{change.name}'"):
            refuse_unfit(change, numbers)
    refuse_unfit(GradientDifference(), numbers)
