"""A probe: what networks with example-tied dropout predict with an example's own units, another's, and none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar, Final

import numpy as np
import torch
from torch import Tensor, nn

from byrote.axes import EXAMPLE, MODEL
from byrote.errors import BadInput
from byrote.evidence.kind import OF_CLASSES, Kind, Quantity
from byrote.probes.contract import EndProbe
from byrote.probes.registry import probe
from byrote.recipes.algorithm import Algorithm
from byrote.recipes.dropout import ExampleTiedDropout
from byrote.recipes.noise import tied_keys

_EXAMPLES = (MODEL, EXAMPLE)
#: The ways in which a network is read.
MODES: Final = {
    "own": "with the example's own memory units, as it was trained",
    "another": "with another example's memory units, drawn at random",
    "test": "with all memory units, by the share of examples that have each, as in evaluation mode",
    "dropped": "without memory units",
}

TIED_DROPOUT: Final = Kind(
    name="tied_dropout",
    says="classes that networks with example-tied dropout predict with each example's own units, another's, and none",
    quantities={
        **{name: Quantity(_EXAMPLES, "int16", "class", f"prediction {words}") for name, words in MODES.items()},
        "heldout_test": Quantity((MODEL,), "float32", "share", "held-out examples predicted in evaluation mode"),
        "heldout_dropped": Quantity(
            (MODEL,), "float32", "share", "the same without memory units; nan without held-out examples"
        ),
    },
    tasks=OF_CLASSES,
    recorded_by="audit into another folder with --probe tied_dropout",
)


@probe
class TiedDropoutProbe(EndProbe):
    """Four readings of each network at the end of the training.

    Source: Maini et al. 2023, arXiv:2307.09542, section 5.
    Differs: theirs compares evaluation mode with dropped units. In evaluation mode no example has units of its own, so
    most memorization is not visible there either. Here another example's units are the null.
    """

    name: ClassVar[str] = "tied_dropout"
    kinds = (TIED_DROPOUT,)

    def check(self, algorithm: Algorithm, network: nn.Module, inputs: Tensor, targets: Tensor) -> None:
        """Refuse a network without such a layer.

        Raises:
            BadInput: the network has none.
        """
        if not _layers(network):
            raise BadInput(
                "The probe tied_dropout reads networks with example-tied dropout, and the recipe's network has none.",
                hint="byrote.MLP(tied_dropout=(0.2, 0.1)), or a byrote.ExampleTiedDropout() in a network of your own.",
            )

    def read(self, network: nn.Module, inputs: Tensor, targets: Tensor, seed: int) -> dict[str, np.ndarray]:
        """Predictions of one network by how it is read."""
        layers, rows = _layers(network.eval()), torch.arange(len(inputs), device=inputs.device)
        order = torch.from_numpy(np.random.default_rng([seed, 13]).permutation(len(inputs))).to(inputs.device)
        other = torch.empty_like(rows)
        other[order] = order.roll(1)
        held = (inputs[:0], targets[:0]) if self.block.heldout is None else self.block.heldout
        found = {"own": masked(network, layers, inputs, rows), "another": masked(network, layers, inputs, other)}
        found["test"], heldout = _predicted(network, inputs), _predicted(network, held[0])
        with dropped(layers):
            found["dropped"], heldout_dropped = _predicted(network, inputs), _predicted(network, held[0])
        aside = {"heldout_test": heldout, "heldout_dropped": heldout_dropped}
        return {name: each.to(torch.int16).cpu().numpy() for name, each in found.items()} | {
            name: (each == held[1]).float().mean().cpu().numpy() for name, each in aside.items()
        }


def masked(network: nn.Module, layers: list[ExampleTiedDropout], inputs: Tensor, ids: Tensor) -> Tensor:
    """Predictions in evaluation mode, but that each input has the memory units of the example of that number."""
    found = []
    for some, whose in zip(torch.split(inputs, 512), torch.split(ids, 512), strict=True):
        for layer in layers:
            layer.train()
            layer.keys = tied_keys(whose)
        found.append(_predicted(network, some))
    for layer in layers:
        layer.eval()
        layer.keys = None
    return torch.cat(found)


@contextmanager
def dropped(layers: list[ExampleTiedDropout]) -> Iterator[None]:
    """The layers without their memory units; as before afterwards."""
    before = [layer.read.clone() for layer in layers]
    for layer in layers:
        layer.drop()
    try:
        yield
    finally:
        for layer, read in zip(layers, before, strict=True):
            layer.read.copy_(read)


def _layers(network: nn.Module) -> list[ExampleTiedDropout]:
    return [module for module in network.modules() if isinstance(module, ExampleTiedDropout)]


def _predicted(network: nn.Module, inputs: Tensor) -> Tensor:
    if not len(inputs):
        return torch.zeros(0, dtype=torch.int64, device=inputs.device)
    with torch.no_grad():
        return torch.cat([network(some).argmax(1) for some in torch.split(inputs, 512)])
