"""Ghost norms: the norm of each example's own gradient over all weights, from one backward pass of all examples.

The gradient of a linear layer is an outer product of what goes in and what comes back at its output, so that its norm
needs no gradient. Goodfellow 2015 (arXiv:1510.01799) for single positions; Li et al. 2022 (arXiv:2110.05679) for
several. Layers that scale and shift give the few numbers of their gradient as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

#: Numbers that the layers' inputs, and gradients of examples, may hold at a time.
BLOCK_NUMBERS = 2**24
#: Ghost norms are trusted where they are that close to the norms of gradients, on so many examples.
CLOSE, TRIED = 1e-4, 2

Call = Callable[[Tensor], Tensor]
Loss = Callable[[Tensor, Tensor], Tensor]
#: A layer, what it multiplies by its weights and the gradient at its output give the squared norms `[example]`.
Rule = Callable[[nn.Module, Tensor, Tensor], Tensor]


def _of_outer(a: Float[Tensor, "example position put_in"], d: Float[Tensor, "example position put_out"]) -> Tensor:
    """Squared norm of the sum over positions of outer products, by whichever way is shorter."""
    positions = a.shape[1]
    if 2 * positions**2 < a.shape[2] * d.shape[2]:
        return ((a @ a.mT) * (d @ d.mT)).sum((1, 2))
    return (d.mT @ a).square().sum((1, 2))


def _linear(layer: nn.Module, a: Tensor, d: Tensor) -> Tensor:
    if a.dim() == 2:  # the norm of one outer product is the product of norms, and the bias is one more input
        put_in = _squares(a) if _is_trained(layer.weight) else a.new_zeros(len(a))
        return _squares(d) * (put_in + _is_trained(layer.bias))
    a, d = (each.reshape(len(each), -1, each.shape[-1]) for each in (a, d))
    found = _of_outer(a, d) if _is_trained(layer.weight) else a.new_zeros(len(a))
    return found + _bias(layer, d.sum(1))


def _squares(rows: Tensor) -> Tensor:
    """Squared norms `[example]`, without a copy of the squares."""
    found: Tensor = torch.linalg.vector_norm(rows, dim=1).square()
    return found


def _convolution(layer: nn.Module, a: Tensor, d: Tensor) -> Tensor:
    assert isinstance(layer, nn.Conv2d)
    if layer.padding_mode != "zeros" or isinstance(layer.padding, str):
        raise NoRule(layer)
    found = a.new_zeros(len(a))
    if layer.weight.requires_grad:
        patches = F.unfold(a, layer.kernel_size, layer.dilation, layer.padding, layer.stride).mT
        for one, other in zip(_groups(patches, layer.groups), _groups(d.flatten(2).mT, layer.groups), strict=True):
            found = found + _of_outer(one, other)
    return found + _bias(layer, d.flatten(2).sum(2))


def _groups(positions: Tensor, groups: int) -> tuple[Tensor, ...]:
    return torch.chunk(positions, groups, 2)


def _before_scaling(layer: nn.Module, a: Tensor) -> Tensor:
    """What a layer multiplies by its weights: of one that normalises, that after it.

    It is asked while the model is called, as of stacked models each has running statistics of its own only then.
    """
    if isinstance(layer, nn.LayerNorm):
        return F.layer_norm(a, layer.normalized_shape, eps=layer.eps)
    if isinstance(layer, nn.GroupNorm):
        return F.group_norm(a, layer.num_groups, eps=layer.eps)
    if not isinstance(layer, nn.modules.batchnorm._BatchNorm):
        return a
    if layer.running_mean is None or layer.running_var is None or layer.training:
        raise NoRule(layer)
    shape = (1, -1, *(1,) * (a.dim() - 2))
    deviation = (layer.running_var + layer.eps).sqrt()
    return (a - layer.running_mean.reshape(shape)) / deviation.reshape(shape)


def _norm(layer: nn.Module, a: Tensor, d: Tensor) -> Tensor:
    own: Sequence[int] = (1,)
    if isinstance(layer, nn.LayerNorm):
        own = range(a.dim() - len(layer.normalized_shape), a.dim())
    others = tuple(dim for dim in range(1, a.dim()) if dim not in own)
    moved = [part.sum(others) if others else part for part in (a * d, d)]
    found = moved[0].flatten(1).square().sum(1) if _is_trained(layer.weight) else a.new_zeros(len(a))
    return found + _bias(layer, moved[1].flatten(1))


def _embedding(layer: nn.Module, a: Tensor, d: Tensor) -> Tensor:
    assert isinstance(layer, nn.Embedding)
    if layer.padding_idx is not None or layer.scale_grad_by_freq or layer.max_norm is not None:
        raise NoRule(layer)
    tokens, d = a.reshape(len(a), -1), d.reshape(len(d), -1, d.shape[-1])
    same = tokens[:, :, None] == tokens[:, None]
    return ((d @ d.mT) * same).sum((1, 2))


def _bias(layer: nn.Module, d: Tensor) -> Tensor:
    return _squares(d) if _is_trained(getattr(layer, "bias", None)) else d.new_zeros(len(d))


def _is_trained(weight: object) -> bool:
    return isinstance(weight, Tensor) and weight.requires_grad


RULES: dict[type[nn.Module], Rule] = {
    nn.Linear: _linear,
    nn.Conv2d: _convolution,
    nn.Embedding: _embedding,
    nn.LayerNorm: _norm,
    nn.GroupNorm: _norm,
    nn.modules.batchnorm._BatchNorm: _norm,
}


class NoRule(Exception):
    """A layer whose gradients no rule knows."""


@dataclass(frozen=True, eq=False)
class _Layer:
    """A layer with weights that are trained, its rule, and the shapes of an example that goes in and comes out."""

    module: nn.Module
    rule: Rule
    put_in: tuple[int, ...]
    put_out: tuple[int, ...]

    @property
    def numbers(self) -> int:
        """Numbers that one example takes here, a convolution's patches included."""
        patch = 1
        if isinstance(self.module, nn.Conv2d):
            patch = self.module.kernel_size[0] * self.module.kernel_size[1]
        return patch * torch.Size(self.put_in).numel() + torch.Size(self.put_out).numel()


def _layers(network: nn.Module, call: Call, one: Tensor) -> list[_Layer]:
    """The layers that are trained, in the order in which an example passes them.

    Raises:
        NoRule: of one of them no rule is known, it is passed more or less than once, or weights are shared.
    """
    named = [weight for _, weight in network.named_parameters(remove_duplicate=False) if weight.requires_grad]
    if len({id(weight) for weight in named}) < len(named):
        raise NoRule(network)
    own = [m for m in network.modules() if any(w.requires_grad for w in m.parameters(recurse=False))]
    seen: list[tuple[nn.Module, tuple[int, ...], tuple[int, ...]]] = []

    def note(module: nn.Module, given: tuple[Tensor, ...], out: Tensor) -> None:
        seen.append((module, tuple(given[0].shape[1:]), tuple(out.shape[1:])))

    hooks = [module.register_forward_hook(note) for module in own]
    try:
        call(one)
    finally:
        for hook in hooks:
            hook.remove()
    if sorted(id(module) for module, *_ in seen) != sorted(map(id, own)):
        raise NoRule(network)
    return [_Layer(module, _rule(module), put_in, put_out) for module, put_in, put_out in seen]


def _rule(module: nn.Module) -> Rule:
    for kind, rule in RULES.items():
        if isinstance(module, kind):
            return rule
    raise NoRule(module)


def ghost_norms(
    network: nn.Module,
    call: Call,
    inputs: Tensor,
    targets: Tensor,
    loss: Loss,
    known: dict[int, list[_Layer]] | None = None,
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
            known[id(network)] = _layers(network, call, inputs[:1])
        layers = known[id(network)]
        size = max(1, BLOCK_NUMBERS // max(1, sum(layer.numbers for layer in layers)))
        blocks = zip(torch.split(inputs, size), torch.split(targets, size), strict=True)
        way = _one if call is network else _mapped
        return torch.cat([_norms(layers, *way(layers, call, x, y, loss)) for x, y in blocks])


def _norms(layers: list[_Layer], went_in: list[Tensor], came_back: Sequence[Tensor]) -> Tensor:
    squares = [layer.rule(layer.module, a, d) for layer, a, d in zip(layers, went_in, came_back, strict=True)]
    return torch.stack(squares).sum(0).sqrt()


Found = tuple[list[Tensor], Sequence[Tensor]]


def _one(layers: list[_Layer], call: Call, inputs: Tensor, targets: Tensor, loss: Loss) -> Found:
    """What goes into each layer of one network, and what comes back at its output, by torch's own tape."""
    went_in: list[Tensor] = []
    came_out: list[Tensor] = []

    def note(module: nn.Module, given: tuple[Tensor, ...], out: Tensor) -> Tensor:
        went_in.append(_before_scaling(module, given[0].detach()))
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


def _mapped(layers: list[_Layer], call: Call, inputs: Tensor, targets: Tensor, loss: Loss) -> Found:
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
        went_in.append(_before_scaling(module, given[0]))
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
