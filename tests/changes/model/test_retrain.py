from __future__ import annotations

import numpy as np

from byrote.changes.change import TrainedModel
from byrote.changes.model.retrain import Retrain
from byrote.changes.model.training import epochs_of, train_on
from unlearned import fitted, loss_on, weights


def test_it_is_a_training_from_the_start_on_the_rest_alone():
    model, context = fitted()
    algorithm = model.algorithm
    rng = np.random.default_rng(0)
    fresh = TrainedModel(algorithm=algorithm, state=algorithm.init(int(rng.integers(2**31))))
    context_then = type(context)(dataset=context.dataset, rng=rng, forget=context.forget, retain=context.retain)
    wanted = weights(train_on(fresh, context_then, context.retain, epochs=3, rate=1.0, weight=1.0))
    found = weights(Retrain().apply(model, context))
    for name, weight in wanted.items():
        np.testing.assert_array_equal(found[name], weight)


def test_nothing_of_the_model_before_is_left():
    one, context = fitted(hidden=(8,))
    other = Retrain().apply(one, context)
    again = Retrain().apply(fitted(hidden=(8,), batch_size=8)[0], fitted()[1])
    assert loss_on(other, context, context.forget) == loss_on(again, context, context.forget)


def test_batches_are_made_as_they_are_asked_for():
    model, context = fitted()
    steps, shown = epochs_of(model, context, context.retain, 3)
    assert steps == 3 * 7  # 52 in batches of 8
    assert not isinstance(shown, list)
    order = np.concatenate([batch.ids.numpy() for batch in shown])
    assert (np.bincount(order, minlength=60)[context.retain] == 3).all()
