"""Ghost norms: the norm of each example's own gradient over all weights, from one backward pass of all examples.

The rules for layers stand in `byrote.recipes.ghost_rules`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from byrote.recipes.ghost_rules import Call, Layer, before_scaling, layers_of
from byrote.recipes.ghost_rules import NoRule as NoRule

#: Numbers that the layers' inputs, and gradients of examples, may hold at a time.
BLOCK_NUMBERS = 2**24
#: Ghost norms are trusted where they are that close to the norms of gradients, on so many examples.
CLOSE, TRIED = 1e-4, 2

Loss = Callable[[Tensor, Tensor], Tensor]


def ghost_norms(
    network: nn.Module,
    call: Call,
    inputs: Tensor,
    targets: Tensor,
    loss: Loss,
    known: dict[int, list[Layer]] | None = None,
) -> Tensor:
    """`[example]`: norms of the gradients of each example's loss over all trained weights, from one backward pass.

    Args:
        network: in evaluation mode, so that no example depends on another.
        call: calls it, with its own weights or, under `vmap`, with those of one of many models.
        inputs: `[example, ...]`.
        targets: `[example, ...]`.
        loss: `loss(logits, targets)[example]`.
        known: layers of networks by their `id`, which are looked for once while the networks are there.

    Raises:
        NoRule: it has a layer of which no rule is known, or weights that are used twice.
    """
    with torch.no_grad():
        known = {} if known is None else known
        if id(network) not in known:
            known[id(network)] = layers_of(network, call, inputs[:1])
        layers = known[id(network)]
        size = max(1, BLOCK_NUMBERS // max(1, sum(layer.numbers for layer in layers)))
        blocks = zip(torch.split(inputs, size), torch.split(targets, size), strict=True)
        way = _one if call is network else _mapped
        return torch.cat([_norms(layers, *way(layers, call, x, y, loss)) for x, y in blocks])


def _norms(layers: list[Layer], went_in: list[Tensor], came_back: Sequence[Tensor]) -> Tensor:
    squares = [layer.rule(layer.module, a, d) for layer, a, d in zip(layers, went_in, came_back, strict=True)]
    return torch.stack(squares).sum(0).sqrt()


Found = tuple[list[Tensor], Sequence[Tensor]]


def _one(layers: list[Layer], call: Call, inputs: Tensor, targets: Tensor, loss: Loss) -> Found:
    """What goes into each layer of one network, and what comes back at its output, by torch's own tape."""
    went_in: list[Tensor] = []
    came_out: list[Tensor] = []

    def note(module: nn.Module, given: tuple[Tensor, ...], out: Tensor) -> Tensor:
        went_in.append(before_scaling(module, given[0].detach()))
        came_out.append(out)
        return out.clone()  # a layer that works in place leaves the output as it is

    hooks = [layer.module.register_forward_hook(note) for layer in layers]
    try:
        with torch.enable_grad():
            total = loss(call(inputs), targets).sum()
    finally:
        for hook in hooks:
            hook.remove()
    return went_in, torch.autograd.grad(total, came_out)


def _mapped(layers: list[Layer], call: Call, inputs: Tensor, targets: Tensor, loss: Loss) -> Found:
    """The same under `vmap`, which has no tape: the gradient in something that is added to what each layer puts out."""

    def total(moved: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """The sum of the losses where something is added to what each layer puts out, and what went into each."""
        went_in: list[Tensor] = []
        hooks = [
            layer.module.register_forward_hook(_adding(part, went_in))
            for layer, part in zip(layers, moved, strict=True)
        ]
        try:
            logits = call(inputs)
        finally:
            for hook in hooks:
                hook.remove()
        return loss(logits, targets).sum(), went_in

    zero = torch.zeros((), device=inputs.device)
    zeros = [zero.expand(len(inputs), *layer.put_out) for layer in layers]
    came_back, went_in = grad(total, has_aux=True)(zeros)
    return went_in, came_back


def _adding(part: Tensor, went_in: list[Tensor]) -> Callable[..., Tensor]:
    def hook(module: nn.Module, given: tuple[Tensor, ...], out: Tensor) -> Tensor:
        went_in.append(before_scaling(module, given[0]))
        return out + part

    return hook


def slow_norms(network: nn.Module, inputs: Tensor, targets: Tensor, loss: Loss) -> Tensor:
    """The same from each example's own gradient, by `vmap(grad)`: about 40 plain backward passes, for any layer."""
    return _by_example(
        network,
        inputs,
        targets,
        loss,
        lambda gradients: torch.stack([gradient.float().square().sum() for gradient in gradients]).sum().sqrt(),
    )


def weight_gradients(network: nn.Module, inputs: Tensor, targets: Tensor, loss: Loss) -> Tensor:
    """`[example, weight]`: the gradient of each example's loss over all trained weights, laid end to end by name."""
    return _by_example(
        network, inputs, targets, loss, lambda gradients: torch.cat([gradient.flatten() for gradient in gradients])
    )


def _by_example(
    network: nn.Module, inputs: Tensor, targets: Tensor, loss: Loss, reduce: Callable[[list[Tensor]], Tensor]
) -> Tensor:
    weights = {name: weight.detach() for name, weight in network.named_parameters() if weight.requires_grad}
    fixed = {name: weight.detach() for name, weight in network.named_parameters() if not weight.requires_grad}
    fixed |= dict(network.named_buffers())

    def of_one(learned: dict[str, Tensor], one: Tensor, target: Tensor) -> Tensor:
        return loss(functional_call(network, (learned, fixed), (one[None],)), target[None])[0]

    def reduced(one: Tensor, target: Tensor) -> Tensor:
        return reduce([*grad(of_one)(weights, one, target).values()])

    size = max(1, BLOCK_NUMBERS // max(1, sum(weight.numel() for weight in weights.values())))
    by_example = vmap(reduced, randomness="error")
    blocks = zip(torch.split(inputs, size), torch.split(targets, size), strict=True)
    return torch.cat([by_example(*block) for block in blocks])


def gradient_norms(network: nn.Module, inputs: Tensor, targets: Tensor, loss: Loss) -> Tensor:
    """`[example]`: ghost norms where they hold, found out on a few examples of this very network; else slow norms."""
    if trusted(network, inputs, targets, loss):
        return ghost_norms(network, network, inputs, targets, loss)
    return slow_norms(network, inputs, targets, loss)


def trusted(network: nn.Module, inputs: Tensor, targets: Tensor, loss: Loss) -> bool:
    """Whether ghost norms of a few examples, together in one batch, are the norms of their own gradients."""
    few, theirs = inputs[:TRIED], targets[:TRIED]
    try:
        found = ghost_norms(network, network, few, theirs, loss)
    except NoRule:
        return False
    return torch.allclose(found, slow_norms(network, few, theirs, loss), rtol=CLOSE, atol=1e-7, equal_nan=True)
