"""Unlearning without training: weights that matter more for what is to be forgotten than for all are made smaller."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Int
from torch import Tensor, nn

from byrote.changes.change import Context, TrainedModel
from byrote.changes.model.training import batches, device_of
from byrote.errors import BadInput
from byrote.recipes.objectives.next_token import IGNORED


@dataclass(frozen=True)
class SSD:
    """Selective synaptic dampening.

    Formula:
        I_F, I_D: mean over the examples to forget, and over all trained on, of the squared gradient of one's loss
        w <- w min(1, shrink I_D / I_F) where I_F > above I_D

    Nothing is trained. With above=inf nothing changes. The gradients are those of evaluation mode, one example at a
    time; of text one row of packed documents.

    Source: Foster et al. 2024, arXiv:2308.07707, eq. 5-6; above 10 and shrink 1.
    Differs:
        The authors' code squares the mean gradient of a batch, which depends on the batch size and vanishes near a
        minimum; the formula is of single examples.
    """

    above: float = 10.0
    shrink: float = 1.0
    stage: ClassVar[str] = "model"
    name: ClassVar[str] = "ssd"
    of_text: ClassVar[bool] = True
    of_classes: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not self.above > 0 or not self.shrink >= 0:
            raise BadInput(
                f"ssd takes 'above' above 0 and 'shrink' of at least 0. Got above={self.above}, shrink={self.shrink}.",
                hint="ssd=10,shrink=1 is usual; a smaller number before the comma changes more weights.",
            )

    def apply(self, stage: TrainedModel, context: Context) -> TrainedModel:
        """The model with the weights made smaller."""
        if not len(context.forget):
            return stage
        network = stage.algorithm.network(stage.state)
        everything = np.concatenate([context.forget, context.retain])
        of_forgotten, of_all = (importance(stage, context, rows) for rows in (context.forget, everything))
        with torch.no_grad():
            for weight, mine, all_ in zip(learned(network), of_forgotten, of_all, strict=True):
                chosen = mine > self.above * all_
                weight[chosen] *= (self.shrink * all_[chosen] / mine[chosen]).clamp_max(1)
        return stage


def learned(network: nn.Module) -> list[nn.Parameter]:
    """The weights that are learned, tied ones once."""
    return [weight for weight in network.parameters() if weight.requires_grad]


def importance(model: TrainedModel, context: Context, rows: Int[np.ndarray, " row"]) -> list[Tensor]:
    """Of each weight: the mean over the examples of the squared gradient of their losses, in evaluation mode."""
    network = model.algorithm.network(model.state)
    training, weights = network.training, learned(network)
    sums, count = [torch.zeros_like(weight) for weight in weights], 0
    network.eval()
    for batch in batches(model.algorithm, context, rows, device_of(model)):
        for inputs, targets in zip(batch.inputs, batch.targets, strict=True):
            logits = network(inputs[None])
            loss = F.cross_entropy(logits.flatten(0, -2), targets.flatten(), ignore_index=IGNORED, reduction="sum")
            gradients = torch.autograd.grad(loss, weights, allow_unused=True)
            for total, one in zip(sums, gradients, strict=True):
                if one is not None:
                    total += one**2
            count += 1
    network.train(training)
    return [total / count for total in sums]
