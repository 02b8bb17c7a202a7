from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

import byrote
from byrote.changes.model.fine_tune_on_rest import FineTuneOnRest
from byrote.changes.model.scrub import Scrub
from byrote.errors import BadInput
from unlearned import RATE, fitted, loss_on, weights


def test_without_climbs_and_without_the_teacher_it_is_fine_tuning_on_the_rest():
    one = weights(Scrub(epochs=3, climbs=0, rate=1.0, alpha=0.0, gamma=1.0).apply(*fitted()))
    other = weights(FineTuneOnRest(epochs=3).apply(*fitted()))
    for name, weight in one.items():
        np.testing.assert_allclose(weight, other[name], rtol=1e-4, atol=1e-6)


def test_a_climb_follows_the_gradient_of_the_divergence_from_the_start():
    """At the start itself that gradient is 0; after a step on the rest it is p - p_start by logit."""
    model, context = fitted(batch_size=60)
    start = weights(model)
    alone = dataclasses.replace(context, retain=context.retain[:0])
    same = weights(Scrub(epochs=1, climbs=1, rate=1.0).apply(model, alone))
    for name, weight in start.items():
        np.testing.assert_allclose(same[name], weight, atol=1e-6)
    after = weights(Scrub(epochs=2, climbs=2, rate=1.0, alpha=0.0, gamma=1.0).apply(*fitted(batch_size=60)))

    def network(values):
        made = byrote.MLP(hidden=()).build((2,), 3)
        made.load_state_dict({name: torch.from_numpy(value) for name, value in values.items()})
        return made

    inputs, targets = torch.tensor(context.dataset.inputs), torch.tensor(context.dataset.targets)
    teacher, student = network(start), network(start)
    for climbs in (False, True, False):
        rows = context.forget if climbs else context.retain
        answers = teacher(inputs[rows]).softmax(-1).detach()
        given = torch.nn.functional.one_hot(targets[rows], 3)
        log_p = student(inputs[rows]).log_softmax(-1)
        loss = (answers * (answers.log() - log_p)).sum(-1).mean() if climbs else -(given * log_p).sum(-1).mean()
        student.zero_grad()
        (-loss if climbs else loss).backward()
        with torch.no_grad():
            for weight in student.parameters():
                weight -= RATE * weight.grad
    for name, weight in student.named_parameters():
        np.testing.assert_allclose(after[name], weight.detach(), rtol=1e-3, atol=1e-5)


def test_the_rest_is_kept_and_the_teacher_holds_it_near_the_start():
    """Without labels, and with the teacher alone, a fine-tuned model does not move."""
    model, context = fitted()
    start, rest = weights(model), loss_on(model, context, context.retain)
    still = weights(Scrub(epochs=2, climbs=0, rate=1.0, alpha=1.0, gamma=0.0).apply(model, context))
    for name, weight in start.items():
        np.testing.assert_allclose(still[name], weight, atol=1e-5)
    assert loss_on(Scrub().apply(*fitted()), context, context.retain) < 1.2 * rest


def test_nothing_to_forget_changes_nothing():
    model, context = fitted()
    before = weights(model)
    after = weights(Scrub().apply(model, dataclasses.replace(context, forget=context.forget[:0])))
    assert all((after[name] == weight).all() for name, weight in before.items())


def test_settings_that_are_none():
    with pytest.raises(BadInput, match=r"scrub takes at least 1 epoch, and no negative numbers\. Got epochs=0"):
        Scrub(epochs=0)
