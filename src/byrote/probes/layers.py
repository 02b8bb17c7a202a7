"""The layers of a network, in the order in which it calls them, and what it makes of examples in each."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from torch import Tensor, nn

from byrote.errors import BadInput, meant

#: The name of what goes into the network, beside its layers.
INPUTS: Final = "inputs"
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


def names_in(text: str) -> list[str]:
    """The names in a text that separates them by semicolons.

    Example:
        >>> names_in("head; conv1;")
        ['head', 'conv1']
    """
    return [name.strip() for name in text.split(";") if name.strip()]


def chosen_layers(names: str, known: Iterable[str]) -> list[str]:
    """Those of the known layers, in their order, that are named with ";" between them; all where none is named.

    Example:
        >>> chosen_layers("head; conv1", ["conv1", "conv2", "head"])
        ['conv1', 'head']

    Raises:
        BadInput: the network has no layer of that name.
    """
    named, known = names_in(names), list(known)
    for name in named:
        refuse_unknown_layer(name, known)
    return [layer for layer in known if not named or layer in named]


def refuse_unknown_layer(name: str, known: Iterable[str]) -> None:
    """Refuse a name that none of the layers has.

    Raises:
        BadInput: it has not.
    """
    layers = list(known)
    if name not in layers:
        raise BadInput(
            f"The network has no layer {name!r}.", hint=f"{meant(name, layers)}its layers are {'; '.join(layers)}."
        )


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
    """What a network made of a batch in its layers: what the next layer was given, and of the last one the answer.

    Layers that were not called are passed over.
    """

    def __init__(self, order: Sequence[str]) -> None:
        self._given: dict[str, Tensor | None] = dict.fromkeys(order)
        self._called: list[str] = []
        self.output: Tensor | None = None

    def see(self, module: str, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        """A module is called; the first call of a layer counts. A copy is kept, as modules may work in place."""
        for layer in self._given:
            if layer not in self._called and (module == layer or module.startswith(f"{layer}.")):
                self._called.append(layer)
                floats = (one for one in (*given, *named.values()) if isinstance(one, Tensor))
                first = next((one for one in floats if one.is_floating_point()), None)
                self._given[layer] = None if first is None else first.clone()

    def readable(self) -> tuple[str, ...]:
        """The layers that `tensor` gives."""
        return tuple(layer for layer in self._given if self._made(layer) is not None)

    def tensor(self, layer: str) -> Tensor:
        """`[example, ...]` of a layer.

        Raises:
            BadInput: the layer is not called, or the next layer is not given one row for each example.
        """
        made = self._made(layer)
        if made is None:
            raise BadInput(
                f"What the network makes of an example in the layer {layer!r} cannot be read: the layer after it is "
                "not given one row for each example.",
                hint='name the layers that are to be read, as `byrote probe RUN "readout,layers=conv1;head"`.',
            )
        return made

    def _made(self, layer: str) -> Tensor | None:
        """What the next layer that was called is given, in the order of the layers."""
        if layer not in self._called or self.output is None:
            return None
        order = [one for one in self._given if one in self._called]
        after = order[order.index(layer) + 1 :]
        made = self._given[after[0]] if after else self.output
        return made if made is not None and made.shape[:1] == self.output.shape[:1] else None


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
def _hooked(network: nn.Module, observe: Callable[[str, tuple[Any, ...], dict[str, Any]], object]) -> Iterator[None]:
    """Every call of a module of the network is heard, by its name and with what it is given."""

    def hook(name: str) -> Callable[[nn.Module, tuple[Any, ...], dict[str, Any]], None]:
        def heard(module: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> None:
            observe(name, given, named)

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
