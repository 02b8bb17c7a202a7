"""How hard each example still pulls at the weights: the norm of its own gradient, at the end of training."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import torch
from torch import Tensor, nn

from byrote.evidence.kinds.gradients import GRADIENTS
from byrote.probes.by_example import any_loss, refuse_unfit
from byrote.probes.contract import Block, Probe, Shard, When
from byrote.probes.ghost import gradient_norms, slow_norms
from byrote.probes.moment import Moment
from byrote.probes.registry import probe
from byrote.recipes.algorithm import Algorithm


@probe
class GradientNormProbe(Probe):
    """The norm of the cross-entropy's gradient over all trained weights, by example and in evaluation mode.

    It costs about a backward pass of all examples at once; of a layer without a rule for that, one of each by itself.
    """

    name: ClassVar[str] = "gradient_norm"
    when: ClassVar[frozenset[When]] = frozenset({"end"})
    kinds = (GRADIENTS,)

    def check(self, algorithm: Algorithm, network: nn.Module, inputs: Tensor, targets: Tensor) -> None:
        """Refuse a network that `torch.func` cannot differentiate by example."""
        network.eval()

        def take() -> None:
            slow_norms(network, inputs, targets, any_loss)
            gradient_norms(network, inputs, targets, any_loss)

        refuse_unfit(self.name, network, inputs, take)

    def begin(self, block: Block) -> None:
        """Nothing is known of its gradients yet."""
        super().begin(block)
        self.norms = torch.empty(0)

    def look(self, at: Moment) -> None:
        """All norms at once."""
        self.norms = at.gradients("norm").float().cpu()

    def shards(self) -> Iterator[Shard]:
        """`gradient_norm`."""
        for model, norms in zip(self.block.models, self.norms, strict=True):
            yield Shard(kind=GRADIENTS, model=model, columns={"gradient_norm": norms.numpy()})
