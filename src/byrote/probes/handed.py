"""What the layers of a network hand on to each other, and probes that look at it at checkpoints."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from byrote.errors import BadInput
from byrote.probes.contract import Block, Probe, When
from byrote.probes.layers import INPUTS, chosen_layers, flat, layers_of, refuse_unknown_layer, seen
from byrote.recipes.algorithm import Algorithm


def read_of(network: nn.Module, inputs: Tensor) -> tuple[str, ...]:
    """The layers of which it can be read what they hand on, in the order in which they are called.

    Raises:
        BadInput: there are none.
    """
    with torch.no_grad():
        order = tuple(layers_of(network, lambda: network(inputs)))
        with seen(network, order) as found:
            network(inputs)
    layers = found.readable()
    if not layers:
        raise BadInput(
            f"{type(network).__name__} calls no layer with weights on a tensor of examples, so that none can be read.",
            hint="build it of modules such as nn.Linear and nn.Conv2d; or audit without probes of layers.",
        )
    return layers


def handed_on(
    layers: Sequence[str],
    widths: list[int],
    network: nn.Module,
    call: Callable[[Tensor], Tensor],
    inputs: Tensor,
    targets: Tensor,
) -> Tensor:
    """The inputs and what each layer hands on, side by side as `[example, unit]`; `widths` gets how many of each."""
    with seen(network, layers) as found:
        call(inputs)
    parts = [flat(inputs), *(flat(found.tensor(layer)) for layer in layers)]
    widths[:] = [each.shape[1] for each in parts]
    return torch.cat(parts, 1)


def part_of(network: nn.Module, layer: str) -> nn.Module:
    """The part of a network that has this name.

    Raises:
        BadInput: none has.
    """
    modules: dict[str, nn.Module] = {name: module for name, module in network.named_modules() if name}
    refuse_unknown_layer(layer, modules)
    return modules[layer]


@dataclass(frozen=True, eq=False)
class Gathered:
    """What was seen at a checkpoint: by layer `[model, example, unit]` of examples and of held-out ones.

    `beside` is whatever else a probe asked for of each example, `[model, example, ...]`.
    """

    at: Any
    features: Mapping[str, np.ndarray]
    heldout: Mapping[str, np.ndarray]
    beside: Mapping[str, np.ndarray]


@dataclass
class FeaturesProbe(Probe):
    """A probe that at each checkpoint looks at what layers hand on, of all examples together.

    Attributes:
        most: of more examples than these as many are drawn, the same for every model. Those are left out whose true
            label is not known.
    """

    most: int = 5000

    passes = 0.5
    when: ClassVar[frozenset[When]] = frozenset({"checkpoint"})

    def begin(self, block: Block) -> None:
        """Nothing was seen yet; the examples to look at are drawn."""
        super().begin(block)
        targets = block.targets.cpu().numpy()
        true = targets if block.truth is None else block.truth.cpu().numpy()
        known = np.arange(len(targets)) if block.truth is None else np.flatnonzero(true >= 0)
        self.rows = np.sort(np.random.default_rng([0, len(targets)]).permutation(known)[: self.most])
        self.given, self.true = targets[self.rows], true[self.rows]
        self.member = block.member.cpu().numpy()[:, self.rows] == 1
        self._parts: list[tuple[dict[str, Tensor], dict[str, Tensor]]] = []
        self._shown = 0

    def look(self, at: Any) -> None:
        """Gather what layers hand on, and read it once all examples were shown."""
        if at.first:
            self._parts, self._shown = [], 0
            self._heldout = {} if at.heldout is None else self._chosen(at.heldout.handed())
        shown = at.rows.cpu().numpy()
        rows = torch.from_numpy(np.flatnonzero(np.isin(shown, self.rows))).to(at.rows.device)
        handed = {name: one[:, rows] for name, one in self._chosen(at.handed()).items()}
        self._parts.append((handed, self.beside(at, rows)))
        self._shown += len(shown)
        if self._shown == len(self.block.inputs):
            features, beside = (_joined([part[side] for part in self._parts]) for side in (0, 1))
            self.read(Gathered(at, features, _joined([self._heldout]), beside))
            self._parts, self._heldout = [], {}

    def wanted(self, layers: Sequence[str]) -> Sequence[str]:
        """Those of the names, inputs first and in the order of the calls, that are to be gathered."""
        return layers

    def beside(self, at: Any, rows: Tensor) -> dict[str, Tensor]:
        """What else to gather of these examples, `[model, example, ...]`."""
        return {}

    @abstractmethod
    def read(self, seen: Gathered) -> None:
        """See all examples at a checkpoint."""

    def _chosen(self, handed: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {name: handed[name] for name in self.wanted(list(handed))}


@dataclass
class LayersProbe(FeaturesProbe):
    """One that looks at several layers.

    Attributes:
        layers: names of those to look at, with ";" between them; all of them by default. The inputs are always seen.
    """

    layers: str = ""

    def check(self, algorithm: Algorithm, network: nn.Module, inputs: Tensor, targets: Tensor) -> None:
        """Refuse a network without layers, and names that none of them has."""
        chosen_layers(self.layers, (INPUTS, *read_of(network.eval(), inputs)))

    def wanted(self, layers: Sequence[str]) -> Sequence[str]:
        """The inputs and the layers that are asked for."""
        chosen = chosen_layers(self.layers, layers)
        return [name for name in layers if name in (INPUTS, *chosen)]


def epochs_of(block: Block) -> dict[str, np.ndarray]:
    """The epochs done at checkpoints, as a column."""
    return {"epochs": np.array(block.epochs, np.int64)}


def _joined(parts: Sequence[Mapping[str, Tensor]]) -> dict[str, np.ndarray]:
    return {name: torch.cat([part[name] for part in parts], 1).cpu().numpy() for name in parts[0]}
