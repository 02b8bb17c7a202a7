"""Unlearning by negative preference optimization: climbing that ends as an example becomes unlikely."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from byrote.changes.change import Context, TrainedModel
from byrote.changes.model.training import as_it_is, climb_and_keep, log_probability
from byrote.errors import BadInput
from byrote.recipes.algorithm import Batch


@dataclass(frozen=True)
class NPO:
    r"""Negative preference optimization, with as large a batch of the rest in each step.

    Formula:
        loss = mean loss over the batch to retain + mean over the batch to forget of
               -(2 / beta) log sigmoid(-beta r),  r = log p(label or text) - log p_start(label or text)
        A step climbs the loss of each example with the weight 2 sigmoid(beta r): 1 at the start, and towards 0 as the
        example becomes less likely than it was. With beta near 0 it is `gradient-difference`.

    The answers that give r are those of evaluation mode. `beta` must suit the size of r: for single labels 1 to 3, for
    texts, whose r is a sum over their tokens, .1.

    Source: Zhang et al. 2024, arXiv:2404.05868, eq. 3.
    Differs:
        A document longer than a row counts as one text for each row that it stands in. The loss of a text is divided
        by the tokens of the batch, as all losses of text are.
    """

    beta: float = 1.0
    epochs: int = 20
    rate: float = 0.2
    stage: ClassVar[str] = "model"
    name: ClassVar[str] = "npo"
    of_text: ClassVar[bool] = True
    of_classes: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not self.beta > 0:
            raise BadInput(
                f"The 'beta' argument of npo must be above 0. Got {self.beta}.",
                hint="npo=1 for labels, npo=0.1 for texts; gradient-difference is what it comes to at 0.",
            )

    def apply(self, stage: TrainedModel, context: Context) -> TrainedModel:
        """The model after it."""
        start, network = as_it_is(stage), stage.algorithm.network(stage.state)

        def climb(batch: Batch) -> Tensor:
            ratio = log_probability(network, batch) - log_probability(start, batch)
            return 2 * torch.sigmoid(self.beta * ratio)

        return climb_and_keep(stage, context, epochs=self.epochs, rate=self.rate, climb=climb)
