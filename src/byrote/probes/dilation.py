"""A probe: how far from the held-out mean of their true class training examples are represented, at checkpoints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
from torch import Tensor, nn

from byrote.axes import CHECKPOINT, EXAMPLE, MODEL
from byrote.errors import BadInput
from byrote.evidence.kind import OF_CLASSES, Kind, Quantity
from byrote.probes.contract import Block, Shard
from byrote.probes.handed import FeaturesProbe, Gathered, epochs_of
from byrote.probes.neural_collapse import refuse_other_ends
from byrote.probes.registry import probe
from byrote.recipes.algorithm import Algorithm
from byrote.stats.neural_collapse import dilation

DILATION: Final = Kind(
    name="dilation",
    says="how far examples are from the held-out mean of their true class in the features of the last hidden layer",
    quantities={
        "distance": Quantity(
            (MODEL, CHECKPOINT, EXAMPLE), "float32", "distance of class means", "nan of examples that were not drawn"
        ),
        "spread": Quantity(
            (MODEL, CHECKPOINT), "float32", "distance of class means", "root mean square distance of held-out examples"
        ),
        "epochs": Quantity((CHECKPOINT,), "int64", "epoch", "epochs done at each checkpoint"),
    },
    tasks=OF_CLASSES,
    in_training=True,
    recorded_by="audit with held-out examples into another folder with --probe dilation",
)


@probe
@dataclass
class DilationProbe(FeaturesProbe):
    """Distances in units of the mean distance between held-out class means.

    Source: Nguyen et al. 2022, arXiv:2206.05530; see `stats.neural_collapse`.
    """

    name: ClassVar[str] = "dilation"
    kinds = (DILATION,)

    def check(self, algorithm: Algorithm, network: nn.Module, inputs: Tensor, targets: Tensor) -> None:
        """Refuse a network that does not end in a linear layer."""
        refuse_other_ends(self.name, network, inputs)

    def begin(self, block: Block) -> None:
        """Nothing is known of its features yet.

        Raises:
            BadInput: there are no held-out examples.
        """
        super().begin(block)
        if block.heldout is None:
            raise BadInput(
                "The probe 'dilation' needs held-out examples, whose class means are what it measures from.",
                hint="pass heldout=… to byrote.audit, or --heldout 0.2; or audit without this probe.",
            )
        size = (len(block.models), len(block.epochs))
        self.distance = np.full((*size, len(block.inputs)), np.nan, np.float32)
        self.spread = np.full(size, np.nan, np.float32)

    def wanted(self, layers: Sequence[str]) -> Sequence[str]:
        """What goes into the last layer."""
        return layers[-2:-1]

    def read(self, seen: Gathered) -> None:
        """Distances and spread of each model."""
        assert self.block.heldout is not None, "refused before"
        labels = self.block.heldout[1].cpu().numpy()
        (features,), (heldout,) = seen.features.values(), seen.heldout.values()
        for row in range(len(features)):
            if np.isfinite(features[row]).all() and np.isfinite(heldout[row]).all():
                found = dilation(features[row], self.true, heldout[row], labels, self.block.classes)
                self.distance[row, seen.at.checkpoint, self.rows] = found.distance
                self.spread[row, seen.at.checkpoint] = found.spread

    def shards(self) -> Iterator[Shard]:
        """One for each model."""
        for row, model in enumerate(self.block.models):
            columns = {"distance": self.distance[row], "spread": self.spread[row]} | epochs_of(self.block)
            yield Shard(kind=DILATION, model=model, columns=columns)
