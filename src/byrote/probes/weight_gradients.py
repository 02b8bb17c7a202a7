"""How hard each example pulls at the weights, at every checkpoint."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from byrote.evidence.kinds.gradients import WEIGHT_GRADIENTS
from byrote.probes.by_example import any_loss, refuse_unfit
from byrote.probes.contract import CheckpointProbe
from byrote.probes.ghost import gradient_norms
from byrote.probes.moment import Moment
from byrote.probes.registry import probe
from byrote.recipes.algorithm import Algorithm


@probe
class WeightGradientsProbe(CheckpointProbe):
    """The norm of the gradient of each example's loss over all trained weights, as `gradient_norm` takes it at the end.

    It costs less than a backward pass of all examples at each checkpoint; of layers without a rule for ghost norms,
    about 40.
    """

    name: ClassVar[str] = "weight_gradients"
    kinds = (WEIGHT_GRADIENTS,)
    passes = 1.0

    def check(self, algorithm: Algorithm, network: nn.Module, inputs: Tensor, targets: Tensor) -> None:
        """Refuse a network whose gradients cannot be taken by example."""
        network.eval()
        refuse_unfit(self.name, network, inputs, lambda: gradient_norms(network, inputs, targets, any_loss))

    def read(self, at: Moment) -> dict[str, Tensor]:
        """`norm[model, example]`."""
        return {"norm": at.gradients("norm")}
