"""The layers of a network, in the order in which it calls them, and what it makes of examples in each."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

from torch import Tensor, nn

from byrote.errors import BadInput

#: Of an image in a layer with more numbers than these the mean over positions is read.
MOST_NUMBERS = 4096


def layer_of(name: str) -> str:
    """The layer of a tensor of that name.

    Example:
        >>> layer_of("model.layers.0.self_attn.q_proj.weight"), layer_of("0.bias"), layer_of("model.norm.weight")
        ('model.layers.0', '0', 'model.norm')
    """
    numbered = re.match(r"(?:[^.]*[^.\d][^.]*\.)*?\d+(?=\.)", name)
    return numbered[0] if numbered else name.rpartition(".")[0] or name


def layers_of(network: nn.Module, show: Callable[[], object]) -> dict[str, tuple[str, ...]]:
    """The layers with the names of their tensors, in the order of their first call while `show` shows an example.

    Tensors that are one and the same are in the layer of the first; a layer that is not called stands last.
    """
    first: dict[int, str] = {}
    found: dict[str, list[str]] = {}
    for name, tensor in network.state_dict(keep_vars=True).items():
        layer = layer_of(first.setdefault(id(tensor), name))
        found.setdefault(layer, []).append(name)
    called: list[str] = []
    with _hooked(network, lambda module, *_: called.append(module)):
        show()
    place: dict[str, int] = {}
    for number, module in enumerate(called):
        for name, tensor in _own(network.get_submodule(module)):
            place.setdefault(layer_of(first.get(id(tensor), f"{module}.{name}".lstrip("."))), number)
    order = sorted(found, key=lambda layer: place.get(layer, len(called)))
    return {layer: tuple(found[layer]) for layer in order}


def _own(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """The tensors of a module itself, without those of its parts."""
    yield from module.named_parameters(recurse=False)
    yield from module.named_buffers(recurse=False)


class Seen:
    """What a network made of a batch in its layers: what the next layer was given, and of the last one the answer."""

    def __init__(self, order: Sequence[str]) -> None:
        self._next = dict(pairwise(order))
        self._given: dict[str, Tensor | None] = {}
        self.output: Tensor | None = None

    def see(self, module: str, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        """A module is called; the first call of a layer counts."""
        for layer in self._next.values():
            if module == layer or module.startswith(f"{layer}."):
                floats = (one for one in (*given, *named.values()) if isinstance(one, Tensor))
                self._given.setdefault(layer, next((one for one in floats if one.is_floating_point()), None))

    def tensor(self, layer: str) -> Tensor:
        """`[example, ...]` of a layer.

        Raises:
            BadInput: the next layer is no module, or is not given one row for each example.
        """
        made = self._given.get(self._next[layer]) if layer in self._next else self.output
        if made is None or self.output is None or made.shape[:1] != self.output.shape[:1]:
            raise BadInput(
                f"What the network makes of an example in the layer {layer!r} cannot be read: the layer after it is "
                "not given one row for each example.",
                hint='name the layers that are to be read, as `byrote probe RUN "readout,layers=conv1;head"`.',
            )
        return made


@contextmanager
def seen(network: nn.Module, order: Sequence[str]) -> Iterator[Seen]:
    """What the network makes of the batch that it is shown within the block."""
    found = Seen(order)
    answer = network.register_forward_hook(lambda *given: setattr(found, "output", given[2]))
    try:
        with _hooked(network, found.see):
            yield found
    finally:
        answer.remove()


@contextmanager
def _hooked(network: nn.Module, hear: Callable[[str, tuple[Any, ...], dict[str, Any]], object]) -> Iterator[None]:
    """Every call of a module of the network is heard, by its name and with what it is given."""

    def hook(name: str) -> Callable[[nn.Module, tuple[Any, ...], dict[str, Any]], None]:
        def heard(module: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> None:
            hear(name, given, named)

        return heard

    hooks = [module.register_forward_pre_hook(hook(name), with_kwargs=True) for name, module in network.named_modules()]
    try:
        yield
    finally:
        for one in hooks:
            one.remove()


def flat(made: Tensor) -> Tensor:
    """`[example, feature]` of what a layer makes of examples; of large images the mean over positions."""
    if made.dim() == 4 and made[0].numel() > MOST_NUMBERS:
        made = made.mean((2, 3))
    return made.flatten(1).float()
