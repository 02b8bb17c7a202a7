"""A probe: of how many dimensions the features of each layer are, at checkpoints."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from byrote.axes import CHECKPOINT, LAYER, MODEL
from byrote.evidence.kind import OF_EXAMPLES, Kind, Quantity
from byrote.probes.contract import Block, Shard
from byrote.probes.handed import Gathered, LayersProbe, epochs_of
from byrote.probes.registry import probe
from byrote.stats.neighbours import distinct
from byrote.stats.two_nn import two_nn

INTRINSIC_DIMENSION: Final = Kind(
    name="intrinsic_dimension",
    says="the intrinsic dimension of what each layer hands on of a model's own training examples, evaluation mode",
    quantities={
        "dimension": Quantity((MODEL, CHECKPOINT, LAYER), "float32", "dimension", "TwoNN; nan of too few points"),
        "points": Quantity((MODEL, CHECKPOINT, LAYER), "int32", "", "points that differ, on which it rests"),
        "epochs": Quantity((CHECKPOINT,), "int64", "epoch", "epochs done at each checkpoint"),
    },
    coordinates={LAYER: "the inputs, and the layers in the order in which they are called"},
    tasks=OF_EXAMPLES,
    sampled=True,
    in_training=True,
    recorded_by="audit into another folder with --probe intrinsic_dimension",
)


@probe
@dataclass
class IntrinsicDimensionProbe(LayersProbe):
    """TwoNN of each layer, inputs beside. Ansuini et al. 2019, arXiv:1905.12784; see `stats.two_nn`."""

    name: ClassVar[str] = "intrinsic_dimension"
    kinds = (INTRINSIC_DIMENSION,)
    few = True  # about a tenth of a CPU second for each model and checkpoint on digits
    passes = 5.0

    def begin(self, block: Block) -> None:
        """Nothing is known yet."""
        super().begin(block)
        self.dimension: list[np.ndarray] = []
        self.points: list[np.ndarray] = []
        self.names: list[str] = []

    def read(self, seen: Gathered) -> None:
        """The dimension by model and layer."""
        self.names = list(seen.features)
        clouds = [[features[row][mine] for features in seen.features.values()] for row, mine in enumerate(self.member)]
        self.dimension.append(np.array([[_dimension(cloud) for cloud in of] for of in clouds], np.float32))
        self.points.append(np.array([[distinct(cloud).sum() for cloud in of] for of in clouds], np.int32))

    def shards(self) -> Iterator[Shard]:
        """One for each model."""
        for row, model in enumerate(self.block.models):
            columns = {
                "dimension": np.stack([one[row] for one in self.dimension]),
                "points": np.stack([one[row] for one in self.points]),
            }
            yield Shard(
                kind=INTRINSIC_DIMENSION,
                model=model,
                columns=columns | epochs_of(self.block),
                coordinates={LAYER: self.names},
            )


def _dimension(cloud: np.ndarray) -> float:
    return two_nn(cloud) if np.isfinite(cloud).all() else float("nan")
