"""Unit search: how many hidden units have to be silenced until a network loses an example."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
import torch

from byrote.axes import EXAMPLE, LAYER, MODEL
from byrote.errors import BadInput
from byrote.evidence.kind import CLASSES, Kind, Quantity
from byrote.probes.contract import LaterProbe, Shard
from byrote.probes.gated import TOGETHER, gated_of
from byrote.probes.history import History
from byrote.probes.registry import probe

UNIT_SEARCH: Final = Kind(
    name="unit_search",
    says="how many hidden units are silenced, one after the other, until the final network predicts an example wrong",
    quantities={
        "silenced": Quantity(
            (MODEL, LAYER, EXAMPLE), "int32", "unit", "units silenced in each layer; 0 where it is wrong in the end"
        ),
        "units": Quantity((MODEL, LAYER), "int32", "unit", "units that there are in each layer"),
        "flipped": Quantity((MODEL, EXAMPLE), "bool", "", "the prediction became wrong within the budget"),
        "right": Quantity((MODEL, EXAMPLE), "bool", "", "the final network predicts it"),
        "confidence": Quantity((MODEL, EXAMPLE), "float32", "logit", "the final margin"),
    },
    coordinates={LAYER: "the layers whose units are silenced, in the order in which the network calls them"},
    tasks=frozenset({CLASSES}),
    sampled=True,
    recorded_by="audit into another folder with --keep-weights-at last, then `byrote probe RUN unit_search`",
)


@probe
@dataclass
class UnitSearchProbe(LaterProbe):
    """Greedy search in every model whose weights were kept, for all examples at once.

    A unit is an entry of what a layer hands to the next one; of images a channel. In each round the unit is silenced
    whose silencing raises the example's loss most by its gradient, minus what it raises the mean loss over all
    examples. Gates are inputs of their own, so one backward pass serves all examples. The search of an example ends
    where its prediction is wrong, where no unit raises its loss beyond the mean, or after `budget` units.

    Source: Maini et al. 2023, arXiv:2307.09542.
    Differs: their code ranks channel sums beside single weights, and does not end where no score is positive.
    """

    budget: int = 60

    name: ClassVar[str] = "unit_search"
    kinds = (UNIT_SEARCH,)

    def __post_init__(self) -> None:
        if self.budget < 1:
            raise BadInput(
                f"The 'budget' setting of unit_search must be at least 1. Got {self.budget}.",
                hint="unit_search,budget=60",
            )

    def read(self, at: History, model: int) -> Shard:
        """How many units must be silenced before each example is lost."""
        base = at.answers(at.weights(len(at.checkpoints) - 1, [model]))
        gated, asked, layers = gated_of(at, model, self.name)
        right = np.flatnonzero(base.correct[0])
        mean = gated.mean_gradient(asked.inputs, asked.targets)
        silenced = np.zeros((len(gated.sizes), at.examples), np.int32)
        flipped = np.zeros(at.examples, bool)
        for start in range(0, len(right), TOGETHER):
            rows = right[start : start + TOGETHER]
            chosen = torch.from_numpy(rows)
            found, wrong = gated.search(asked.inputs[chosen], asked.targets[chosen], mean, self.budget)
            silenced[:, rows], flipped[rows] = found, wrong
        columns = {
            "silenced": silenced,
            "units": np.array(gated.sizes, np.int32),
            "flipped": flipped,
            "right": base.correct[0],
            "confidence": base.margin[0].astype(np.float32),
        }
        return Shard(kind=UNIT_SEARCH, model=model, columns=columns, coordinates={LAYER: layers})
