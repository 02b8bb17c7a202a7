"""Objectives asked about answers that are given: logits of one model stand for its network."""

from __future__ import annotations

import numpy as np
import torch

from byrote.recipes.batch import Batch


def loss_of(objective, logits, targets, memory=None, **settings):
    """The loss `[n]` and the new memory rows of `logits[n, ...]`, `targets[n, ...]` and `memory[n, ...]`."""
    asked = []

    def forward(inputs, *, train):
        asked.append(train)
        return inputs

    ids = torch.arange(len(targets))
    batch = Batch(inputs=logits, targets=targets, ids=ids, **settings).with_axis()
    answers, loss, rows = objective.loss(forward, batch, None if memory is None else memory[None])
    assert answers.shape == logits[None].shape
    assert asked == [True], "one pass in training mode, as the objective says"
    assert objective.once
    return loss[0], None if rows is None else rows[0]


def check_by_class(objective, formula):
    """A loss of answers and classes, where `formula(p, y)` is that of one example with probabilities `p[class]`.

    Its values, its gradient in the logits by differences, the mean over a distribution, and models side by side.
    """
    rng = np.random.default_rng(3)
    logits, targets, shares = rng.normal(size=(9, 4)) * 3, rng.integers(0, 4, 9), rng.dirichlet(np.ones(4), 9)
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    by_class = np.array([[formula(row, label) for label in range(4)] for row in p])
    asked = torch.tensor(logits, requires_grad=True)
    found, memory = loss_of(objective, asked, torch.tensor(targets))
    assert memory is None
    np.testing.assert_allclose(found.detach(), by_class[np.arange(9), targets], rtol=1e-9)
    soft, _ = loss_of(objective, torch.tensor(logits), torch.tensor(shares))
    np.testing.assert_allclose(soft, (shares * by_class).sum(1), rtol=1e-9)
    found.sum().backward()
    for n, k in np.ndindex(9, 4):
        ends = []
        for step in (1e-5, -1e-5):
            moved = logits[n].copy()
            moved[k] += step
            ends.append(formula(np.exp(moved) / np.exp(moved).sum(), targets[n]))
        np.testing.assert_allclose(asked.grad[n, k].item(), (ends[0] - ends[1]) / 2e-5, rtol=1e-5, atol=1e-9)
    several = Batch(inputs=torch.tensor(logits).reshape(3, 3, 4), targets=torch.tensor(targets).reshape(3, 3), ids=None)
    side_by_side = objective.loss(lambda inputs, *, train: inputs, several, None)[1]
    torch.testing.assert_close(side_by_side.flatten(), found.detach())


def check_certain(objective):
    """Answers that are certain, right or wrong, have a finite loss and finite gradients in float32."""
    logits = torch.tensor([[200.0, 0.0, 0.0], [200.0, 0.0, 0.0]], requires_grad=True)
    loss, _ = loss_of(objective, logits, torch.tensor([0, 1]))
    loss.sum().backward()
    assert torch.isfinite(loss).all()
    assert torch.isfinite(logits.grad).all()
    return loss.detach()
