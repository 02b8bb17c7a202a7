"""Gradients in the weights, summed over groups of examples, and how far single examples lie along a direction.

No gradient of a single example is formed: a sum is one backward pass, and the products of all examples' gradients with
one direction are one forward pass with tangents (Baydin et al. 2022, arXiv:2202.08587).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call, grad, jvp, vmap

from byrote.probes.moment import BATCH, Models

Loss = Callable[[Tensor, Tensor], Tensor]
State = dict[str, Tensor]


def gradient_sums(
    models: Models, inputs: Tensor, targets: Tensor, counted: Float[Tensor, "model group example"], loss: Loss
) -> Float[Tensor, "model group weight"]:
    """The gradient, over all trained weights laid end to end, of each group's losses, each counted so many times."""

    def one(network: nn.Module, learned: State, fixed: State, x: Tensor, y: Tensor, count: Tensor) -> Tensor:
        def total(weights: State, times: Tensor) -> Tensor:
            return (loss(functional_call(network, (weights, fixed), (x,)), y) * times).sum()

        return torch.stack([flat(grad(total)(learned, times)) for times in count])

    parts = zip(*(torch.split(each, BATCH) for each in (inputs, targets)), torch.split(counted, BATCH, 2), strict=True)
    found = [_each(models, one, x, y, count) for x, y, count in parts]
    return torch.stack(found).sum(0)


def along(
    models: Models, inputs: Tensor, targets: Tensor, direction: Float[Tensor, "model weight"], loss: Loss
) -> Float[Tensor, "model example"]:
    """The product of each example's gradient with the model's direction."""

    def one(network: nn.Module, learned: State, fixed: State, x: Tensor, y: Tensor, way: Tensor) -> Tensor:
        def each(weights: State) -> Tensor:
            return loss(functional_call(network, (weights, fixed), (x,)), y)

        with warnings.catch_warnings():  # torch compiles its own rules when it is first asked
            warnings.filterwarnings("ignore", message="`torch.jit.script", category=DeprecationWarning)
            slopes: Tensor = jvp(each, (learned,), (_like(learned, way),))[1]
        return slopes

    parts = zip(*(torch.split(each, BATCH) for each in (inputs, targets)), strict=True)
    return torch.cat([_each(models, one, x, y, direction) for x, y in parts], 1)


def flat(weights: State) -> Tensor:
    """All numbers, laid end to end in the order of the network."""
    return torch.cat([weight.flatten() for weight in weights.values()])


def _like(weights: State, numbers: Tensor) -> State:
    parts = torch.split(numbers, [weight.numel() for weight in weights.values()])
    return {name: part.reshape(weight.shape) for (name, weight), part in zip(weights.items(), parts, strict=True)}


def _each(models: Models, function: Callable[..., Tensor], x: Tensor, y: Tensor, of_model: Tensor) -> Tensor:
    """What the function gives of each model with its own row of `of_model`, under `vmap` where models are stacked."""
    networks = models.networks
    with torch.no_grad():
        if not models.stacked:
            states = [
                _state(network, dict(network.named_parameters()), dict(network.named_buffers())) for network in networks
            ]
            rows = zip(networks, states, of_model, strict=True)
            return torch.stack([function(network, *state, x, y, row) for network, state, row in rows])
        state = _state(networks[0], *models.stack)
        run = vmap(lambda learned, fixed, row: function(networks[0], learned, fixed, x, y, row), randomness="error")
        return run(*state, of_model)


def _state(network: nn.Module, weights: State, buffers: State) -> tuple[State, State]:
    """The weights that are trained, and all else."""
    trained = {name for name, weight in network.named_parameters() if weight.requires_grad}
    learned = {name: weight.detach() for name, weight in weights.items() if name in trained}
    return learned, {name: weight.detach() for name, weight in weights.items() if name not in trained} | buffers
