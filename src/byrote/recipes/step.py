"""One training step, written once: of one model in the plain loop, and of many that are stacked."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from byrote.recipes import noise
from byrote.recipes.batch import Batch, Seen
from byrote.recipes.by_example import backward_by_example
from byrote.recipes.mixing import mixed
from byrote.recipes.models import Models
from byrote.recipes.slots import Augmentation, Forward, Slots


def take_step(slots: Slots, models: Models, batch: Batch) -> Seen:
    """One update of every model on its own batch.

    What is seen of mixed examples is what the networks say of each by itself, in evaluation mode.
    """
    if slots.augmentation is not None:
        batch = replace(batch, inputs=augmented(slots.augmentation, batch))
    unmixed = None
    if slots.mixing is not None:
        unmixed, batch = losses(slots, models, batch), mixed(slots.mixing, batch)
    memory = models.recalled(batch.ids)
    batch = perturbed(slots, models, batch, memory)
    if slots.example_gradients is None:
        seen, rows = models.backward(slots, batch, memory)
    else:
        seen, rows = backward_by_example(slots, models, batch, memory)
    if slots.gradient_transform is not None:
        slots.gradient_transform.apply(models.gradients(), batch)
    if rows is not None:
        models.remember(batch, rows)
    models.update(slots, batch)
    return seen if unmixed is None else unmixed


def backward(slots: Slots, models: Models, batch: Batch, memory: Tensor | None) -> tuple[Seen, Tensor | None]:
    """Gradients of the total loss by one backward pass, which gives every model its own."""
    models.zero_grad()
    logits, loss, rows = slots.objective.loss(forward_of(models, batch), batch, memory)
    batch.total(loss).backward()  # type: ignore[no-untyped-call]
    return Seen(logits=logits.detach(), loss=loss.detach()), rows


def losses(slots: Slots, models: Models, batch: Batch) -> Seen:
    """Logits and losses of a batch in evaluation mode; changes nothing."""
    with torch.no_grad():
        logits, loss, _ = slots.objective.loss(in_evaluation(models, batch), batch, models.recalled(batch.ids))
    return Seen(logits=logits, loss=loss)


def forward_of(models: Models, batch: Batch) -> Forward:
    """The networks, with the masks of dropout of this batch."""
    return lambda inputs, *, train: models.forward(inputs, batch.noise, train=train)


def in_evaluation(models: Models, batch: Batch) -> Forward:
    """The networks, in evaluation mode whatever is asked for."""
    return lambda inputs, *, train: models.forward(inputs, batch.noise, train=False)


def augmented(slot: Augmentation, batch: Batch) -> Tensor:
    """The batch's inputs, augmented by example."""
    assert batch.noise is not None
    drawn = noise.uniform(batch.noise.keys.flatten(), slot.draws, salt=0)
    if len(batch.ids) == 1:  # an index keeps the strides, by which torch chooses how it convolves
        return slot.apply(batch.inputs[0], drawn)[None]
    return slot.apply(batch.inputs.flatten(0, 1), drawn).reshape(batch.inputs.shape)


def perturbed(slots: Slots, models: Models, batch: Batch, memory: Tensor | None) -> Batch:
    """The batch, its inputs changed by a look at the networks in evaluation mode."""
    if slots.input_perturbation is None:
        return batch
    assert batch.noise is not None

    def loss(moved: Tensor) -> Tensor:
        return slots.objective.loss(in_evaluation(models, batch), replace(batch, inputs=moved), memory)[1]

    extent = batch.extent()
    moved = slots.input_perturbation.apply(batch.inputs, loss, keys=batch.noise.keys, extent=extent)
    return replace(batch, inputs=moved)
