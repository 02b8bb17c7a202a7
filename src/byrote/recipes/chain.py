"""The network of a stack as a chain of layers, each of which is computed for all models at once.

Linear layers, activations, norms over features and byrote's dropout take `[model, batch, feature]` as it is, and the
gradients of linear layers are written where they stay. Whatever else a network has runs under `vmap`: a layer, several
in a row, or the whole network.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, vmap

from byrote.recipes.dropout import Dropout, give

#: Layers that act on each number by itself, whatever axes there are.
ELEMENTWISE: Final = (
    *(nn.Identity, nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish),
    *(nn.Tanh, nn.Sigmoid, nn.LogSigmoid, nn.Softplus, nn.Softsign, nn.Hardtanh, nn.Hardswish, nn.Hardsigmoid),
)
#: A linear layer of fewer outputs multiplies faster as weight @ inputs.
NARROW: Final = 32
#: The keys `[model, batch]` of each layer of dropout; None outside of training.
Keys = Sequence[Tensor] | None


class Layer:
    """Some layers in a row, as one under `vmap`, with their stacked tensors `[model, ...]`."""

    def __init__(self, module: nn.Module, tensors: Mapping[str, Tensor], numbers: Sequence[int]) -> None:
        self.module, self.tensors, self.numbers = module, dict(tensors), numbers
        self.dropouts = [one for one in module.modules() if isinstance(one, Dropout)]

    def mine(self, keys: Keys) -> list[Tensor] | None:
        """The keys of its own layers of dropout, of those of the network."""
        return None if keys is None or not self.numbers else [keys[number] for number in self.numbers]

    def through(self, inputs: Tensor, keys: Keys) -> Tensor:
        """`inputs[model, batch, ...]` give the outputs; what asks for no gradient of the inputs may call it."""
        return self.mapped(inputs, keys)

    def mapped(self, inputs: Tensor, keys: Keys, *, shared: bool = False) -> Tensor:
        """The outputs `[model, batch, ...]` under `vmap`; `shared` inputs `[batch, ...]` have no model axis."""
        mine = self.mine(keys)
        every = vmap(self._one, in_dims=(0, None if shared else 0, None if mine is None else 0))
        outputs: Tensor = every(self.tensors, inputs, mine)
        return outputs

    def _one(self, tensors: dict[str, Tensor], inputs: Tensor, keys: Keys) -> Tensor:
        give(self.dropouts, keys)
        outputs: Tensor = functional_call(self.module, tensors, (inputs,))
        give(self.dropouts, None)
        return outputs


class Linear(Layer):
    """A plain linear layer, and the ReLU after it where there is one, which is computed in place.

    Weights that are learned have a place for their gradients. Where it has a `book`, a backward pass leaves what went
    in and what came back there, and no gradients.
    """

    rectified = False

    def __init__(self, module: nn.Linear, tensors: Mapping[str, Tensor], numbers: Sequence[int]) -> None:
        super().__init__(module, tensors, numbers)
        self.weight, self.bias = self.tensors["weight"], self.tensors.get("bias")
        self.places = {name: torch.empty_like(one) for name, one in self.tensors.items() if one.requires_grad}
        self.narrow = module.out_features < NARROW
        self.book: list[tuple[Tensor, Tensor]] | None = None

    def through(self, inputs: Tensor, keys: Keys) -> Tensor:
        """`inputs[model, batch, feature]` without `vmap`."""
        if inputs.dim() != 3:
            outputs = self.mapped(inputs, keys)
            return outputs.relu() if self.rectified else outputs
        native: Tensor = _Product.apply(inputs, self.weight, self.bias, self)  # type: ignore[no-untyped-call]
        return native

    def product(self, inputs: Tensor) -> Tensor:
        """The outputs: inputs @ weight.T + bias, in the faster of both orders."""
        if self.narrow:
            narrow = self.weight @ inputs.mT
            return (narrow if self.bias is None else narrow.add_(self.bias[:, :, None])).mT.contiguous()
        if self.bias is None:
            return torch.bmm(inputs, self.weight.mT)
        return torch.baddbmm(self.bias[:, None], inputs, self.weight.mT)

    def learn(self, inputs: Tensor, gradient: Tensor) -> None:
        """Write, or add, the gradients of the weights; those that the backward pass before left are overwritten."""
        if self.book is not None:
            self.book.append((inputs, gradient))
            return
        if "weight" in self.places:
            if self.weight.grad is None:
                self.weight.grad = torch.bmm(gradient.mT, inputs, out=self.places["weight"])
            else:
                self.weight.grad.baddbmm_(gradient.mT, inputs)
        if self.bias is not None and "bias" in self.places:
            if self.bias.grad is None:
                self.bias.grad = torch.sum(gradient, 1, out=self.places["bias"])
            else:
                self.bias.grad.add_(gradient.sum(1))


class _Product(torch.autograd.Function):
    """A linear layer, rectified or not, whose backward pass writes its weights' gradients itself, without a copy."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor | None, layer: Linear) -> Tensor:
        outputs = layer.product(inputs)
        ctx.layer = layer
        if not layer.rectified:
            ctx.save_for_backward(inputs)
            return outputs
        ctx.save_for_backward(inputs, outputs.relu_())
        return outputs

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, None, None, None]:
        inputs, *rectified = ctx.saved_tensors
        if rectified:
            gradient = torch.ops.aten.threshold_backward(gradient, rectified[0], 0)
        ctx.layer.learn(inputs, gradient)
        return (torch.bmm(gradient, ctx.layer.weight) if ctx.needs_input_grad[0] else None), None, None, None


class Norm(Layer):
    """A norm over the features of each example: layer norm, RMS norm or group norm."""

    def through(self, inputs: Tensor, keys: Keys) -> Tensor:
        """`inputs[model, batch, feature]` without `vmap`."""
        if inputs.dim() != 3:
            return self.mapped(inputs, keys)
        match self.module:
            case nn.GroupNorm(num_groups=groups, eps=eps):
                normed = F.group_norm(inputs.flatten(0, 1), groups, eps=eps).reshape(inputs.shape)
            case nn.RMSNorm(normalized_shape=shape, eps=eps):
                normed = F.rms_norm(inputs, list(shape), eps=eps)
            case nn.LayerNorm(normalized_shape=shape, eps=eps):
                normed = F.layer_norm(inputs, list(shape), eps=eps)
        if "weight" in self.tensors:
            normed = normed * self.tensors["weight"][:, None]
        return normed + self.tensors["bias"][:, None] if "bias" in self.tensors else normed


class BatchNorm(Layer):
    """A batch norm over features: all models' features stand side by side."""

    def through(self, inputs: Tensor, keys: Keys) -> Tensor:
        """`inputs[model, batch, feature]` without `vmap`."""
        module = self.module
        assert isinstance(module, nn.BatchNorm1d)
        counts = self.tensors.get("num_batches_tracked")
        if inputs.dim() != 3 or counts is None or module.momentum is None:
            return self.mapped(inputs, keys)
        if module.training:
            counts.add_(1)
        side_by_side = {name: each.flatten() for name, each in self.tensors.items()}
        normed = F.batch_norm(
            inputs.transpose(0, 1).flatten(1),
            side_by_side["running_mean"],
            side_by_side["running_var"],
            side_by_side.get("weight"),
            side_by_side.get("bias"),
            module.training,
            module.momentum,
            module.eps,
        )
        return normed.reshape(-1, *inputs.shape[::2]).transpose(0, 1)


class Plain(Layer):
    """A layer without weights that takes any axes after the first two: an activation, or dropout."""

    def through(self, inputs: Tensor, keys: Keys) -> Tensor:
        """`inputs[model, batch, ...]` without `vmap`."""
        give(self.dropouts, self.mine(keys))
        outputs: Tensor = self.module(inputs)
        give(self.dropouts, None)
        return outputs


class Flat(Layer):
    """All features in a row."""

    def through(self, inputs: Tensor, keys: Keys) -> Tensor:
        """`inputs[model, batch, ...]` without `vmap`."""
        return inputs.flatten(2)


#: What each kind of module is in a chain; others run under `vmap`.
_KINDS: Final[dict[type[nn.Module], type[Layer]]] = {
    nn.Linear: Linear,
    **dict.fromkeys((nn.LayerNorm, nn.RMSNorm, nn.GroupNorm), Norm),
    nn.BatchNorm1d: BatchNorm,
    nn.Flatten: Flat,
    Dropout: Plain,
    **dict.fromkeys(ELEMENTWISE, Plain),
}


def layers_of(network: nn.Module, tensors: Mapping[str, Tensor], dropouts: Sequence[Dropout]) -> list[Layer]:
    """The chain of a network, from its stacked tensors by name: the whole as one layer where it is no chain.

    Layers in a row that run under `vmap` are one, with the norms and plain layers after them.
    """
    links = list(_links(network, ""))
    names = [name for prefix, module in links for name in _named(module, prefix)]
    if sorted(names) != sorted(tensors):  # a weight that two layers share has one name
        links = [("", network)]
    rows: list[list[tuple[str, nn.Module]]] = []
    for link in links:
        kind = _kind(link[1])
        if rows and kind not in (Linear, Flat) and _kind(rows[-1][0][1]) is Layer:
            rows[-1].append(link)
        else:
            rows.append([link])
    return _rectified([_layer(row, tensors, dropouts) for row in rows])


def _rectified(layers: list[Layer]) -> list[Layer]:
    """A ReLU right after a linear layer becomes a part of it."""
    kept: list[Layer] = []
    for layer in layers:
        before = kept[-1] if kept else None
        if isinstance(before, Linear) and type(layer) is Plain and type(layer.module) is nn.ReLU:
            before.rectified = True
        else:
            kept.append(layer)
    return kept


def _links(network: nn.Module, prefix: str) -> Iterator[tuple[str, nn.Module]]:
    """The layers that come one after another, and what stands before the names of their tensors."""
    if type(network) is not nn.Sequential or _changed(network):
        yield prefix, network
        return
    for name, module in network._modules.items():
        assert module is not None
        yield from _links(module, f"{prefix}{name}.")


def _kind(module: nn.Module) -> type[Layer]:
    known = _KINDS.get(type(module), Layer)
    if _changed(module) or (isinstance(module, nn.Flatten) and (module.start_dim, module.end_dim) != (1, -1)):
        return Layer
    return Layer if len(getattr(module, "normalized_shape", ())) > 1 else known


def _changed(module: nn.Module) -> bool:
    """Whether a module does something else than its class, by hooks or by a forward of its own."""
    return "forward" in vars(module) or bool(
        module._forward_hooks or module._forward_pre_hooks or module._backward_hooks or module._backward_pre_hooks
    )


def _named(module: nn.Module, prefix: str) -> list[str]:
    parts = [*module.named_parameters(), *module.named_buffers()]
    return [prefix + name for name, _ in parts]


def _layer(row: list[tuple[str, nn.Module]], tensors: Mapping[str, Tensor], dropouts: Sequence[Dropout]) -> Layer:
    """One layer of the chain; several modules are called one after another."""
    (prefix, first), *others = row
    kind, module, named = _kind(first), first, {name[len(prefix) :]: name for name in _named(first, prefix)}
    if others:
        module = nn.Sequential(*(each for _, each in row))
        pairs = [
            (f"{at}.{name[len(before) :]}", name)
            for at, (before, each) in enumerate(row)
            for name in _named(each, before)
        ]
        named = dict(pairs)
    mine = [one for one in module.modules() if isinstance(one, Dropout)]
    numbers = [next(at for at, one in enumerate(dropouts) if one is each) for each in mine]
    return kind(module, {name: tensors[whole] for name, whole in named.items()}, numbers)


class Chain:
    """The layers of a stack's network, from the inputs to the logits."""

    def __init__(self, network: nn.Module, tensors: Mapping[str, Tensor], dropouts: Sequence[Dropout]) -> None:
        self.layers = layers_of(network, tensors, dropouts)

    def __call__(self, inputs: Tensor, keys: Keys) -> Tensor:
        """`inputs[model, batch, ...]` give `logits[model, batch, class]`."""
        for layer in self.layers:
            inputs = layer.through(inputs, keys)
        return inputs

    def shared(self, inputs: Tensor, models: int) -> Tensor:
        """`inputs[batch, ...]`, the same for all models, give `logits[model, batch, class]`."""
        first, *others = self.layers
        if type(first) is Layer:
            inputs = first.mapped(inputs, None, shared=True)
        else:
            inputs = first.through(inputs.expand(models, *inputs.shape), None)
        for layer in others:
            inputs = layer.through(inputs, None)
        return inputs
