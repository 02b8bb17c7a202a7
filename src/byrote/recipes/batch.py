"""What one step sees: the examples, which of them count and how much, and where random numbers come from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from byrote.recipes.noise import Stream

#: The smallest and the largest value of each feature of a row, or of each channel of an image; broadcasts over inputs.
Extent = tuple[Tensor, Tensor]


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What one step sees.

    `inputs[batch, ...]`, `targets[batch]`, `ids[batch]` (rows of the dataset). A target is a class, or whatever else is
    learned of an example; `targets[batch, class]` of floating-point numbers is a distribution over classes.
    `weights[batch]` multiplies the loss; None means 1 for all, and a negative weight makes the step climb.
    `mask[batch]` is False for a row that only fills up a batch: it takes no part in gradients or memory; None means
    that all rows count.
    The sum of the losses is divided by `normaliser`, or, where it is None, by the number of rows that count.

    Of text a row holds several documents: `inputs[batch, token]`, `targets[batch, token]`, and
    `documents[batch, token]`, the document that each target is of (-1: padding). Weights and masks may then be
    `[batch, token]`, too; the objective applies those.

    Models that are `resting` take no step, where others of their block have more steps than they.

    A slot sees the batches of many models at once: then all arrays have a leading model axis, of length one in the
    plain loop. `noise` makes random numbers by example, `extent()` gives the range of the data, see `Shape`, and
    `classes` is how many numbers a network answers with.
    """

    inputs: Tensor
    targets: Tensor
    ids: Tensor
    weights: Tensor | None = None
    mask: Tensor | None = None
    normaliser: float | None = None
    documents: Tensor | None = None
    resting: tuple[bool, ...] | None = None
    noise: Stream | None = field(default=None, repr=False)
    classes: int | None = None
    extent: Callable[[], Extent | None] = field(default=lambda: None, repr=False)

    def with_axis(self) -> Batch:
        """The same rows with a model axis of length one; settings of the step are left out."""
        return self._at(None)

    def without_axis(self) -> Batch:
        """The rows of the first model; settings of the step are left out."""
        return self._at(0)

    def _at(self, index: int | None) -> Batch:
        return Batch(
            inputs=self.inputs[index],
            targets=self.targets[index],
            ids=self.ids[index],
            weights=None if self.weights is None else self.weights[index],
            mask=None if self.mask is None else self.mask[index],
            documents=None if self.documents is None else self.documents[index],
        )

    def counting(self) -> Tensor | None:
        """`[model, batch]`, the rows that count; None where all do. A row counts of which any token does."""
        return self.mask if self.mask is None or self.mask.ndim == self.ids.ndim else self.mask.any(-1)

    def counted(self) -> Tensor | float:
        """How many rows count: `[model]`, or one number where no model has a mask; at least 1."""
        rows = self.counting()
        return max(1.0, float(self.ids.shape[1])) if rows is None else rows.sum(1).clamp_min(1)

    def weighted(self, loss: Tensor) -> Tensor:
        """`loss[model, batch]` times the weights of the rows, where they have some."""
        return loss if self.weights is None or self.weights.ndim > loss.ndim else loss * self.weights

    def total(self, loss: Tensor) -> Tensor:
        """`loss[model, batch]`, weighted and masked, summed and normalised by model, and summed over models."""
        loss, rows = self.weighted(loss), self.counting()
        if rows is not None:
            loss = torch.where(rows, loss, 0.0)
        size = self.counted() if self.normaliser is None else self.normaliser
        return (loss.sum(1) / size).sum() if isinstance(size, Tensor) else loss.sum() / size


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a step saw before its update, in training mode: `logits[batch, class]` and `loss[batch]`."""

    logits: Tensor
    loss: Tensor
