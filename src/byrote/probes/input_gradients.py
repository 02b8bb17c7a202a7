"""How steep each example's loss is in its inputs, at every checkpoint."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn
from torch.func import grad

from byrote.evidence.kinds.gradients import INPUT_GRADIENTS
from byrote.probes.by_example import refuse_unfit
from byrote.probes.contract import CheckpointProbe
from byrote.probes.moment import Moment
from byrote.probes.registry import probe
from byrote.recipes.algorithm import Algorithm


@probe
class InputGradientsProbe(CheckpointProbe):
    """Norms of the gradient of each example's own loss in its inputs, from one backward pass of all of them.

    Formula:
        norm[k, c, i] = ||g||_2 and norm_1[k, c, i] = ||g||_1, g = d loss_i / d x_i
    """

    name: ClassVar[str] = "input_gradients"
    kinds = (INPUT_GRADIENTS,)
    passes = 1.0

    def check(self, algorithm: Algorithm, network: nn.Module, inputs: Tensor, targets: Tensor) -> None:
        """Refuse a network that cannot be differentiated in its inputs, or not by example."""
        network.eval()
        refuse_unfit(self.name, network, inputs, lambda: grad(lambda given: network(given).sum())(inputs))

    def read(self, at: Moment) -> dict[str, Tensor]:
        """`norm` and `norm_1`, `[model, example]`."""
        gradients = at.gradients("inputs").flatten(2)
        return {"norm": gradients.norm(dim=2), "norm_1": gradients.abs().sum(2)}
