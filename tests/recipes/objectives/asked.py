"""Objectives asked about answers that are given: logits of one model stand for its network."""

from __future__ import annotations

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
