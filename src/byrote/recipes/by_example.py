"""The gradient of each example by itself, before it is summed over the batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.func import functional_call, vmap

from byrote.recipes.batch import Batch, Seen
from byrote.recipes.book_keeping import kept
from byrote.recipes.dropout import give, keys_of
from byrote.recipes.models import Models, Parts
from byrote.recipes.slots import ExampleGradients, Forward, Slots

#: Keys of the layers of dropout, where there are any.
Keys = list[Tensor] | None


def backward_by_example(
    slots: Slots, models: Models, batch: Batch, memory: Tensor | None
) -> tuple[Seen, Tensor | None]:
    """Fill in the sum of the gradients of single examples, each times its factor; also new rows of the memory.

    By book-keeping where that is exact, and otherwise with the gradient of each example made.
    """
    assert slots.example_gradients is not None
    book = kept(slots, models, batch, memory, slow_norms)
    if book is not None:
        factors = _factors(slots.example_gradients, book.norms(), batch)
        models.learn_from(book.sums(factors))
        return book.seen, book.memory
    parts = models.parts()
    gradients, seen, rows = _gradients(slots, parts, batch, memory)
    factors = _factors(slots.example_gradients, _norms(gradients), batch)
    summed = [torch.einsum("mb,mb...->m...", factors, gradient) for gradient in gradients]
    models.learn_from(dict(zip(parts.learned, summed, strict=True)))
    return seen, rows


def slow_norms(slots: Slots, parts: Parts, batch: Batch, memory: Tensor | None) -> Tensor:
    """`[model, batch]`: the norm of each example's gradient, made from it."""
    return _norms(_gradients(slots, parts, batch, memory)[0])


def _gradients(
    slots: Slots, parts: Parts, batch: Batch, memory: Tensor | None
) -> tuple[Sequence[Tensor], Seen, Tensor | None]:
    """The gradients `[model, batch, ...]` of each learned weight.

    Every example is shown to a copy of its model of its own, so that a backward pass gives its gradient. The copies
    share their weights in memory; the gradients do not.
    """
    copies = {
        name: weight[:, None].expand(*batch.ids.shape, *weight.shape[1:]) for name, weight in parts.weights.items()
    }
    learned = [copies[name].requires_grad_() for name in parts.learned]
    logits, loss, rows = slots.objective.loss(_forward(parts, copies, batch), batch, memory)
    gradients = torch.autograd.grad(batch.weighted(loss).sum(), learned)
    return gradients, Seen(logits=logits.detach(), loss=loss.detach()), rows


def _norms(gradients: Sequence[Tensor]) -> Tensor:
    return torch.stack([gradient.flatten(2).square().sum(2) for gradient in gradients]).sum(0).sqrt()


def _factors(slot: ExampleGradients, norms: Tensor, batch: Batch) -> Tensor:
    """What each gradient counts in the sum, that by which the sum is divided included; 0 of rows that do not count."""
    factors = slot.factors(norms) / _size(batch)
    counting = batch.counting()
    return factors if counting is None else torch.where(counting, factors, 0.0)


def _size(batch: Batch) -> Tensor | float:
    size = batch.counted() if batch.normaliser is None else batch.normaliser
    return size[:, None] if isinstance(size, Tensor) else size


def _forward(parts: Parts, copies: dict[str, Tensor], batch: Batch) -> Forward:
    buffers = {
        name: buffer[:, None].expand(*batch.ids.shape, *buffer.shape[1:]) for name, buffer in parts.buffers.items()
    }
    keys: Keys = None
    if parts.dropouts and batch.noise is not None:
        keys = [each[:, :, None] for each in keys_of(parts.dropouts, batch.noise)]

    def one(weights: dict[str, Tensor], buffers: dict[str, Tensor], inputs: Tensor, keys: Keys) -> Tensor:
        give(parts.dropouts, keys)
        logits: Tensor = functional_call(parts.skeleton, (weights, buffers), (inputs,))
        give(parts.dropouts, None)
        return logits

    dims = (0, 0, 0, None if keys is None else 0)
    every = vmap(vmap(one, in_dims=dims), in_dims=dims)

    def forward(inputs: Tensor, *, train: bool) -> Tensor:
        parts.skeleton.train(train)
        answers: Tensor = every(copies, buffers, inputs[:, :, None], keys)
        return answers[:, :, 0]

    return forward
