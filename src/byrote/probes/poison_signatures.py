"""Signatures of poisons in the features of trained networks, which need not be told of any poison."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
from torch import Tensor, nn

from byrote.evidence.kinds.poison_signatures import POISON_SIGNATURES
from byrote.probes.contract import END, Block, Probe, Shard, When
from byrote.probes.last_layer import features_of, last_layer
from byrote.probes.moment import Moment
from byrote.probes.registry import probe
from byrote.recipes.algorithm import Algorithm
from byrote.stats.poison_signatures import cluster, spectral


@probe
class PoisonSignaturesProbe(Probe):
    """Spectral signatures and activation clusters of each class, in the features of a model's own examples.

    Source: see `stats.poison_signatures`.
    """

    name: ClassVar[str] = "poison_signatures"
    when: ClassVar[frozenset[When]] = END
    kinds = (POISON_SIGNATURES,)

    def check(self, algorithm: Algorithm, network: nn.Module, inputs: Tensor, targets: Tensor) -> None:
        """Refuse a network that does not end in a linear layer.

        Raises:
            BadInput: it does not.
        """
        last_layer(network.eval(), inputs, self.name)

    def begin(self, block: Block) -> None:
        """Nothing is found yet; examples of others have no value."""
        super().begin(block)
        size = (len(block.models), len(block.inputs))
        self.found = {name: np.full(size, np.nan, np.float32) for name in ("spectral", "cluster")}

    def look(self, at: Moment) -> None:
        """One network after another, class by class."""
        labels, member = self.block.targets.cpu().numpy(), self.block.member.cpu().numpy()
        for row, network in enumerate(at.networks()):
            features = features_of(network, self.block.inputs)[0].flatten(1).float().cpu().numpy()
            for label in np.unique(labels):
                mine = np.flatnonzero((member[row] == 1) & (labels == label))
                self.found["spectral"][row, mine] = spectral(features[mine])
                self.found["cluster"][row, mine] = cluster(features[mine])

    def shards(self) -> Iterator[Shard]:
        """One per model."""
        for row, model in enumerate(self.block.models):
            columns = {name: array[row] for name, array in self.found.items()}
            yield Shard(kind=POISON_SIGNATURES, model=model, columns=columns)
