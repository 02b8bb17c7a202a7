from __future__ import annotations

import dataclasses

import numpy as np

from byrote.changes.model.gradient_difference import GradientDifference
from byrote.data.corpus import corpus_from_texts
from unlearned import RATE, fitted, gradients, loss_on, read, weights


def test_a_step_follows_the_difference_of_the_two_mean_gradients():
    """8 to forget in one batch, and 8 of the rest, which the change draws."""
    model, context = fitted()
    drawn = dataclasses.replace(context, rng=np.random.default_rng(0))
    drawn.rng.permutation(context.forget)
    kept = drawn.rng.permutation(context.retain)[:8]
    climbed, descended = gradients(model, context, context.forget), gradients(model, context, kept)
    before = weights(model)
    after = weights(GradientDifference(epochs=1, rate=0.5).apply(model, context))
    for name, weight in before.items():
        np.testing.assert_allclose(
            after[name], weight - 0.5 * RATE * (descended[name] - climbed[name]), rtol=1e-4, atol=1e-6
        )


def test_the_forgotten_become_unlikely_and_the_rest_stays_more_than_by_climbing_alone():
    model, context = fitted(hidden=(16,))
    forgotten = loss_on(model, context, context.forget)
    changed = GradientDifference(epochs=40, rate=1.0).apply(model, context)
    assert loss_on(changed, context, context.forget) > 2 * forgotten
    alone = dataclasses.replace(context, retain=context.retain[:0])
    climbed = GradientDifference(epochs=40, rate=1.0).apply(fitted(hidden=(16,))[0], alone)
    assert loss_on(changed, context, context.retain) < loss_on(climbed, context, context.retain) / 2


def test_nothing_to_forget_changes_nothing_and_nothing_to_retain_is_climbing_alone():
    model, context = fitted()
    before = weights(model)
    none = dataclasses.replace(context, forget=context.forget[:0])
    after = weights(GradientDifference().apply(model, none))
    assert all((after[name] == weight).all() for name, weight in before.items())
    climbed = gradients(model, context, context.forget)
    alone = dataclasses.replace(context, retain=context.retain[:0])
    after = weights(GradientDifference(epochs=1, rate=1.0).apply(model, alone))
    for name, weight in before.items():
        np.testing.assert_allclose(after[name], weight + RATE * climbed[name], rtol=1e-4, atol=1e-6)


def test_of_texts_each_side_is_a_mean_over_its_tokens():
    """A table of bigrams: what follows token 1 is climbed, what follows token 3 is descended, by (p - y) / tokens."""
    corpus = corpus_from_texts(["a", "b"]).tokenized(lambda texts: [[1, 2, 1, 2, 1], [3, 0, 3]], vocabulary=4)
    model, context = read(corpus, np.array([0]), length=4, batch_size=1)
    before = weights(model)["table"]
    after = weights(GradientDifference(epochs=1, rate=1.0).apply(model, context))["table"]
    p = np.exp(before) / np.exp(before).sum(1, keepdims=True)
    one = np.eye(4)
    expected = before.copy()
    for at, follows in ((1, 2), (2, 1), (1, 2), (2, 1)):
        expected[at] += RATE * (p[at] - one[follows]) / 4
    for at, follows in ((3, 0), (0, 3)):
        expected[at] -= RATE * (p[at] - one[follows]) / 2
    np.testing.assert_allclose(after, expected, rtol=1e-5, atol=1e-6)
