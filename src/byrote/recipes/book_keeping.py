"""Clipped sums of gradients by book-keeping: one backward pass, and no example's gradient is ever made.

What goes into each layer and what comes back at its output are kept. The norm of each example's gradient follows from
the two (`ghost_rules`), and so does the sum of all gradients, each times its factor: Bu et al. 2022 (arXiv:2210.00038).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.func import functional_call, vjp, vmap

from byrote.recipes.batch import Batch, Seen
from byrote.recipes.chain import Linear
from byrote.recipes.dropout import give, keys_of
from byrote.recipes.ghost_rules import Layer, NoRule, before_scaling, layers_of
from byrote.recipes.models import Models, Parts
from byrote.recipes.noise import Stream
from byrote.recipes.slots import Slots

#: Keys of the layers of dropout, where there are any.
Keys = list[Tensor] | None
#: The layers of each network that was looked at; None where its gradients must be made.
_KNOWN: WeakKeyDictionary[nn.Module, list[Layer] | None] = WeakKeyDictionary()
_OWN: WeakKeyDictionary[nn.Module, dict[nn.Module, dict[str, str]]] = WeakKeyDictionary()
#: Norms are trusted where they are that close to those of gradients, on so many examples of each model.
CLOSE, TRIED = 1e-4, 2


@dataclass(frozen=True, kw_only=True, eq=False)
class Book:
    """What a backward pass brought: `put_in[model, batch, ...]` and `came_back[model, batch, ...]` of each layer.

    `own` are the names that a layer and the network have for each of the layer's learned weights.
    """

    parts: Parts
    layers: list[Layer]
    own: dict[nn.Module, dict[str, str]]
    put_in: list[Tensor]
    came_back: tuple[Tensor, ...]
    seen: Seen
    memory: Tensor | None

    def norms(self) -> Tensor:
        """`[model, batch]`: the norm of each example's gradient over all weights that are learned."""
        squares = [self._squares(*one) for one in zip(self.layers, self.put_in, self.came_back, strict=True)]
        return torch.stack(squares).sum(0).sqrt()

    def _squares(self, layer: Layer, a: Tensor, d: Tensor) -> Tensor:
        if layer.rule is by_example:
            each = self._by_vjp(layer, a[:, :, None], d[:, :, None], nested=True)
            return torch.stack([gradient.flatten(2).square().sum(2) for gradient in each.values()]).sum(0)
        if isinstance(layer.module, nn.Linear) and a.dim() == 3:  # without a copy of arrays that are not in order
            own = self.own[layer.module]
            put_in = _squares(a) if "weight" in own else 0.0
            return _squares(d) * (put_in + float("bias" in own))
        flat = before_scaling(layer.module, a.flatten(0, 1))
        return layer.rule(layer.module, flat, d.flatten(0, 1)).reshape(d.shape[:2])

    def sums(self, factors: Tensor) -> dict[str, Tensor]:
        """By name the sums `[model, ...]` of the gradients, each times its factor of `factors[model, batch]`."""
        found: dict[str, Tensor] = {}
        for layer, a, d in zip(self.layers, self.put_in, self.came_back, strict=True):
            if isinstance(layer.module, nn.Linear):
                found |= self._linear(layer, a, d, factors)
            else:
                found |= self._by_vjp(layer, a, d * _along(factors, d))
        return found

    def _linear(self, layer: Layer, a: Tensor, d: Tensor, factors: Tensor) -> dict[str, Tensor]:
        own, found = self.own[layer.module], {}
        narrow = d.shape[-1] < a.shape[-1]  # what is narrower is scaled
        scaled, other = (d * _along(factors, d), a) if narrow else (a * _along(factors, a), d)
        one, two = (scaled, other) if narrow else (other, scaled)
        if "weight" in own:
            found[own["weight"]] = one.flatten(1, -2).mT @ two.flatten(1, -2)
        if "bias" in own:
            found[own["bias"]] = (
                scaled.flatten(1, -2).sum(1)
                if narrow
                else (factors[:, None] @ (d if d.dim() == 3 else d.flatten(2, -2).sum(2)))[:, 0]
            )
        return found

    def _by_vjp(self, layer: Layer, a: Tensor, d: Tensor, *, nested: bool = False) -> dict[str, Tensor]:
        """The layer's own backward pass, of all examples of a model or, `nested`, of each."""
        own = self.own[layer.module]
        start = next(iter(own.values())).rpartition(".")[0]
        known = {**self.parts.weights, **self.parts.buffers}
        here = {name: known[f"{start}.{name}" if start else name] for name in _tensors(layer.module)}
        learned = {name: here.pop(name) for name in own}

        def back(learned: dict[str, Tensor], fixed: dict[str, Tensor], a: Tensor, d: Tensor) -> dict[str, Tensor]:
            pull = vjp(lambda learned: functional_call(layer.module, {**fixed, **learned}, (a,)), learned)[1]
            made: dict[str, Tensor] = pull(d)[0]
            return made

        inner = vmap(back, in_dims=(None, None, 0, 0)) if nested else back
        made = vmap(inner)(learned, here, a, d)
        return {own[name]: gradient for name, gradient in made.items()}


def by_example(layer: nn.Module, a: Tensor, d: Tensor) -> Tensor:
    """The mark of a layer without a rule: its gradients are made, one for each example."""
    raise NoRule(layer)


def _own(parts: Parts, layers: list[Layer]) -> dict[nn.Module, dict[str, str]]:
    if parts.skeleton not in _OWN:
        names = {module: f"{name}." if name else "" for name, module in parts.skeleton.named_modules()}
        _OWN[parts.skeleton] = {
            layer.module: {
                name: names[layer.module] + name
                for name, _ in layer.module.named_parameters(recurse=False)
                if names[layer.module] + name in parts.learned
            }
            for layer in layers
        }
    return _OWN[parts.skeleton]


def _squares(rows: Tensor) -> Tensor:
    """Squared norms over the last axis, by whichever way is faster in their order."""
    return torch.linalg.vector_norm(rows, dim=2).square() if rows.is_contiguous() else rows.square().sum(2)


def _along(factors: Tensor, values: Tensor) -> Tensor:
    """Factors by example over all other axes of the values."""
    return factors.reshape(*factors.shape, *[1] * (values.dim() - 2))


def _tensors(module: nn.Module) -> Iterator[str]:
    yield from (name for name, _ in module.named_parameters(recurse=False))
    yield from (name for name, _ in module.named_buffers(recurse=False))


def kept(slots: Slots, models: Models, batch: Batch, memory: Tensor | None, slow: Callable[..., Tensor]) -> Book | None:
    """What a backward pass brings; None where its norms are not those of gradients, or nothing says that they are.

    That is found out once for each network, on its first batch, where `slow` gives the norms from gradients.
    """
    if not slots.objective.once:
        return None
    parts = models.parts()
    if parts.skeleton not in _KNOWN:
        _KNOWN[parts.skeleton] = _trusted(slots, parts, batch, memory, slow)
    layers = _KNOWN[parts.skeleton]
    if layers is None:
        return None
    links = _linked(models, layers)
    if links:
        return _book_of_chain(slots, models, parts, layers, links, batch, memory)
    return _book(slots, parts, layers, batch, memory)


def _linked(models: Models, layers: list[Layer]) -> list[Linear]:
    """The links of a stack's chain that are these layers, where all are plain linear ones; else none."""
    chain = getattr(models, "chain", None)
    links = {} if chain is None else {link.module: link for link in chain.layers if type(link) is Linear}
    fitting = all(layer.module in links and len(layer.put_in) == 1 for layer in layers)
    return [links[layer.module] for layer in layers] if fitting else []


def _book_of_chain(
    slots: Slots,
    models: Models,
    parts: Parts,
    layers: list[Layer],
    links: list[Linear],
    batch: Batch,
    memory: Tensor | None,
) -> Book:
    """The same by the stack's own pass, which is faster than the one under `vmap`."""
    books: list[list[tuple[Tensor, Tensor]]] = [[] for _ in links]
    for link, book in zip(links, books, strict=True):
        link.book = book
    try:
        logits, loss, rows = slots.objective.loss(
            lambda inputs, *, train: models.forward(inputs, batch.noise, train=train), batch, memory
        )
        batch.weighted(loss).sum().backward()  # type: ignore[no-untyped-call]
    finally:
        for link in links:
            link.book = None
    put_in, came_back = zip(*(one for (one,) in books), strict=True)
    seen = Seen(logits=logits.detach(), loss=loss.detach())
    return Book(
        parts=parts,
        layers=layers,
        own=_own(parts, layers),
        put_in=[*put_in],
        came_back=came_back,
        seen=seen,
        memory=rows,
    )


def _trusted(
    slots: Slots, parts: Parts, batch: Batch, memory: Tensor | None, slow: Callable[..., Tensor]
) -> list[Layer] | None:
    few = replace(
        batch,
        inputs=batch.inputs[:, :TRIED],
        targets=batch.targets[:, :TRIED],
        ids=batch.ids[:, :TRIED],
        weights=None if batch.weights is None else batch.weights[:, :TRIED],
        mask=None if batch.mask is None else batch.mask[:, :TRIED],
        noise=None if batch.noise is None else replace(batch.noise, ids=batch.ids[:, :TRIED]),
    )
    remembered = None if memory is None else memory[:, :TRIED]
    first = {name: tensor[0] for name, tensor in (parts.weights | parts.buffers).items()}
    try:
        with torch.no_grad(), _evaluating(parts.skeleton):
            layers = layers_of(
                parts.skeleton, partial(functional_call, parts.skeleton, first), batch.inputs[0, :1], by_example
            )
        found = _book(slots, parts, layers, few, remembered).norms()
    except (NoRule, RuntimeError):  # of a rule that does not fit a layer's settings, or of `vmap`
        return None
    expected = slow(slots, parts, few, remembered)
    return layers if torch.allclose(found, expected, rtol=CLOSE, atol=1e-7, equal_nan=True) else None


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    mode = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(mode)


def _book(slots: Slots, parts: Parts, layers: list[Layer], batch: Batch, memory: Tensor | None) -> Book:
    zero = torch.zeros((), device=batch.inputs.device)
    moved = [zero.expand(*batch.ids.shape, *layer.put_out).requires_grad_() for layer in layers]
    put_in: list[Tensor] = []

    def forward(inputs: Tensor, *, train: bool) -> Tensor:
        parts.skeleton.train(train)
        logits, went_in = _every(parts, layers, moved, inputs, batch.noise)
        put_in.extend(each.detach() for each in went_in)
        return logits

    logits, loss, rows = slots.objective.loss(forward, batch, memory)
    came_back = torch.autograd.grad(batch.weighted(loss).sum(), moved)
    seen = Seen(logits=logits.detach(), loss=loss.detach())
    return Book(
        parts=parts, layers=layers, own=_own(parts, layers), put_in=put_in, came_back=came_back, seen=seen, memory=rows
    )


def _every(
    parts: Parts, layers: list[Layer], moved: list[Tensor], inputs: Tensor, stream: Stream | None
) -> tuple[Tensor, list[Tensor]]:
    """Logits, and what goes into each layer; `moved` is added to what each puts out, and gets its gradient."""
    keys: Keys = keys_of(parts.dropouts, stream) if parts.dropouts and stream is not None else None

    def one(
        weights: dict[str, Tensor], buffers: dict[str, Tensor], moved: list[Tensor], inputs: Tensor, keys: Keys
    ) -> tuple[Tensor, list[Tensor]]:
        went_in: list[Tensor] = []
        hooks = [
            layer.module.register_forward_hook(_adding(part, went_in))
            for layer, part in zip(layers, moved, strict=True)
        ]
        give(parts.dropouts, keys)
        try:
            logits: Tensor = functional_call(parts.skeleton, (weights, buffers), (inputs,))
        finally:
            give(parts.dropouts, None)
            for hook in hooks:
                hook.remove()
        return logits, went_in

    in_dims = (0, 0, 0, 0, None if keys is None else 0)
    found: tuple[Tensor, list[Tensor]] = vmap(one, in_dims=in_dims)(parts.weights, parts.buffers, moved, inputs, keys)
    return found


def _adding(part: Tensor, went_in: list[Tensor]) -> Callable[..., Tensor]:
    def hook(module: nn.Module, given: tuple[Tensor, ...], out: Tensor) -> Tensor:
        went_in.append(given[0])
        return out + part

    return hook
