"""How hard each example still pulls at the weights: the norm of its own gradient, at the end of training."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from byrote.errors import BadInput
from byrote.probes.network_probe import NetworkProbe

#: Gradients of so many examples at once that they hold about this many numbers.
BLOCK_NUMBERS = 2**24


class GradientNormProbe(NetworkProbe):
    """The norm of the cross-entropy's gradient over all trained weights, by example and in evaluation mode.

    It costs about a backward pass for each example by itself, and so several epochs of training in all.
    """

    name = "gradient_norm"
    kind = "gradients"

    def check(self, network: nn.Module, inputs: Tensor, targets: Tensor) -> None:
        """Refuse a network that `torch.func` cannot differentiate by example."""
        try:
            gradient_norms(network.eval(), inputs, targets)
        except Exception as error:  # whatever a user's network raises must reach the user as a sentence
            first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise BadInput(
                f"The probe {self.name!r} cannot take the network's gradients by example: {first}",
                hint="layers must work under torch.func.vmap in evaluation mode; or audit without this probe.",
            ) from error

    def read(self, network: nn.Module, inputs: Tensor, targets: Tensor, seed: int) -> dict[str, np.ndarray]:
        """`gradient_norm`."""
        return {"gradient_norm": gradient_norms(network, inputs, targets).cpu().numpy()}


def gradient_norms(network: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
    """`[example]`: norm of the gradient of each example's own cross-entropy over all weights that are trained."""
    weights = {name: weight.detach() for name, weight in network.named_parameters() if weight.requires_grad}
    fixed = {name: weight.detach() for name, weight in network.named_parameters() if not weight.requires_grad}
    fixed |= dict(network.named_buffers())

    def loss(learned: dict[str, Tensor], one: Tensor, target: Tensor) -> Tensor:
        logits = functional_call(network, (learned, fixed), (one[None],))
        return F.cross_entropy(logits.float(), target[None])

    def norm(one: Tensor, target: Tensor) -> Tensor:
        gradients = grad(loss)(weights, one, target)
        return torch.stack([gradient.float().square().sum() for gradient in gradients.values()]).sum().sqrt()

    size = max(1, BLOCK_NUMBERS // sum(weight.numel() for weight in weights.values()))
    by_example = vmap(norm, randomness="error")
    blocks = zip(torch.split(inputs, size), torch.split(targets, size), strict=True)
    return torch.cat([by_example(*block) for block in blocks])
