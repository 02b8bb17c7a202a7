"""Unlearning with a teacher: away from the model as it was on what is to be forgotten, near to it on the rest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from byrote.changes.change import Context, TrainedModel
from byrote.changes.model.training import as_it_is, epochs_of, take, weighted
from byrote.errors import BadInput
from byrote.recipes.algorithm import Batch


@dataclass(frozen=True)
class Scrub:
    """SCRUB: in each of the first `climbs` epochs one pass away from the start on what is to be forgotten, and in each
    epoch one pass over the rest.

    Formula:
        to forget: max KL(p_start || p);  the rest: min gamma CE + alpha KL(p_start || p)

    The rate is a share of the recipe's learning rate. With climbs=0 and alpha=0 it is fine-tuning on the rest.

    Source: Kurmanji et al. 2023, arXiv:2302.09880, eq. 3, algorithm 1; gamma and alpha as in the authors' code.
    Differs:
        The authors' code divides logits by 4 before the divergence, which the paper does not. Their rewinding to an
        epoch by the loss of held-out examples is left out.
    """

    epochs: int = 5
    climbs: int = 3
    rate: float = 0.2
    alpha: float = 0.001
    gamma: float = 0.99
    stage: ClassVar[str] = "model"
    name: ClassVar[str] = "scrub"
    of_classes: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.climbs < 0 or self.alpha < 0 or self.gamma < 0:
            raise BadInput(
                f"scrub takes at least 1 epoch, and no negative numbers. Got epochs={self.epochs}, "
                f"climbs={self.climbs}, alpha={self.alpha}, gamma={self.gamma}.",
                hint="scrub=5,climbs=3 is usual.",
            )

    def apply(self, stage: TrainedModel, context: Context) -> TrainedModel:
        """The model after it."""
        if not len(context.forget):
            return stage
        start = as_it_is(stage)

        def away(batch: Batch) -> Batch:
            return weighted(replace(batch, targets=start(batch.inputs).softmax(-1)), -torch.ones(len(batch.ids)))

        def near(batch: Batch) -> Batch:
            answers: Tensor = start(batch.inputs).softmax(-1)
            given = F.one_hot(batch.targets, answers.shape[-1])
            return replace(batch, targets=self.gamma * given + self.alpha * answers)

        steps, made = 0, list[Iterator[Batch]]()
        for epoch in range(self.epochs):
            for rows, as_asked in ((context.forget, away), (context.retain, near))[epoch >= self.climbs :]:
                count, shown = epochs_of(stage, context, rows, 1)
                steps, made = steps + count, [*made, map(as_asked, shown)]
        return take(stage, chain.from_iterable(made), rate=self.rate, steps=steps)
