"""Rules for the norm of an example's gradient, from what goes into a layer and what comes back at its output.

The gradient of a linear layer is an outer product of the two, so that its norm needs no gradient. Goodfellow 2015
(arXiv:1510.01799) for single positions; Li et al. 2022 (arXiv:2110.05679) for several. Layers that scale and shift give
the few numbers of their gradient as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

Call = Callable[[Tensor], Tensor]
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


def before_scaling(layer: nn.Module, a: Tensor) -> Tensor:
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
class Layer:
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


def layers_of(network: nn.Module, call: Call, one: Tensor, otherwise: Rule | None = None) -> list[Layer]:
    """The layers that are trained, in the order in which an example passes them.

    `otherwise` is the rule of a layer without one of its own, if it takes one tensor and holds no other layers.

    Raises:
        NoRule: of one of them no rule is known, it is passed more or less than once, or weights are shared.
    """
    named = [weight for _, weight in network.named_parameters(remove_duplicate=False) if weight.requires_grad]
    if len({id(weight) for weight in named}) < len(named):
        raise NoRule(network)
    own = [m for m in network.modules() if any(w.requires_grad for w in m.parameters(recurse=False))]
    seen: list[tuple[nn.Module, tuple[int, ...], tuple[int, ...]]] = []

    def note(module: nn.Module, given: tuple[Tensor, ...], out: Tensor) -> None:
        if len(given) != 1 or not isinstance(out, Tensor):
            raise NoRule(module)
        seen.append((module, tuple(given[0].shape[1:]), tuple(out.shape[1:])))

    hooks = [module.register_forward_hook(note) for module in own]
    try:
        call(one)
    finally:
        for hook in hooks:
            hook.remove()
    if sorted(id(module) for module, *_ in seen) != sorted(map(id, own)):
        raise NoRule(network)
    return [Layer(module, _rule(module, otherwise), put_in, put_out) for module, put_in, put_out in seen]


def _rule(module: nn.Module, otherwise: Rule | None) -> Rule:
    for kind, rule in RULES.items():
        if isinstance(module, kind):
            return rule
    if otherwise is None or any(module.children()):
        raise NoRule(module)
    return otherwise
