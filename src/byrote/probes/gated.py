"""Gates on the units that one layer of a network hands to the next, so that any of them can be silenced."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from byrote.errors import BadInput
from byrote.probes.history import AskedExamples, History

#: Examples that go through a gated network together.
TOGETHER: Final = 512


def gated_of(at: History, model: int, asks: str) -> tuple[Gated, AskedExamples, list[str]]:
    """The final network of a model with gates, the examples that are shown to it, and the layers that hand units on.

    `asks` is the name of the probe, for the error.

    Raises:
        BadInput: the network has one layer, so that no layer hands anything to another.
    """
    assert isinstance(at.asked, AskedExamples), "it is for classes"
    layers = list(at.layers())
    if len(layers) < 2:
        raise BadInput(
            f"{asks} silences what one layer hands to the next, and the network has one layer.",
            hint="train a network with a hidden layer, as byrote.MLP(hidden=(64,)).",
        )
    return Gated(at.network(model), layers, at.asked.inputs[:2]), at.asked, layers[:-1]


class Gated:
    """A network with a gate on every unit that one layer hands to the next; units of all layers end to end."""

    def __init__(self, network: nn.Module, layers: Sequence[str], inputs: Tensor) -> None:
        self.network, self.after = network, layers[1:]
        shapes: list[tuple[int, ...]] = []

        def seen(given: Tensor) -> Tensor:
            shapes.append(tuple(given.shape))
            return given

        with torch.no_grad(), self._hooked([seen] * len(self.after)):
            network(inputs)
        if len(shapes) != len(self.after):
            raise BadInput(
                "The units of the network cannot be silenced: a layer is not called as a module with one array.",
                hint="write each layer as a module of its own that forward() calls once.",
            )
        self.sizes = [shape[1] for shape in shapes]

    @contextmanager
    def _hooked(self, changes: Sequence[Any]) -> Iterator[None]:
        """What each layer after the first is given goes through a change."""
        with ExitStack() as stack:
            for layer, change in zip(self.after, changes, strict=True):
                module = dict(self.network.named_modules()).get(layer, nn.Identity())
                hook = module.register_forward_pre_hook(lambda _, given, change=change: (change(given[0]), *given[1:]))
                stack.callback(hook.remove)
            yield

    def logits(self, inputs: Tensor, gates: Float[Tensor, "example unit"]) -> Tensor:
        """The answers with each example's own gates."""
        parts = torch.split(gates, self.sizes, 1)
        changes = [
            lambda given, part=part: given * part.reshape(*part.shape, *[1] * (given.dim() - 2)) for part in parts
        ]
        with self._hooked(changes):
            answer: Tensor = self.network(inputs)
        return answer

    def gradient(
        self, inputs: Tensor, targets: Tensor, gates: Float[Tensor, "example unit"]
    ) -> tuple[Tensor, Float[Tensor, "example unit"]]:
        """The answers, and how each example's loss moves with each of its gates."""
        gates = gates.detach().requires_grad_()
        logits = self.logits(inputs, gates)
        (found,) = torch.autograd.grad(F.cross_entropy(logits, targets, reduction="sum"), gates)
        return logits.detach(), found

    def mean_gradient(self, inputs: Tensor, targets: Tensor) -> Float[Tensor, " unit"]:
        """How the mean loss over all examples moves with each gate."""
        total = torch.zeros(sum(self.sizes))
        for part in self._slopes(inputs, targets):
            total += part.sum(0)
        return total / len(inputs)

    def _slopes(self, inputs: Tensor, targets: Tensor) -> Iterator[Tensor]:
        for x, y in zip(torch.split(inputs, TOGETHER), torch.split(targets, TOGETHER), strict=True):
            yield self.gradient(x, y, torch.ones(len(x), sum(self.sizes)))[1]

    def loss_changes(
        self, inputs: Tensor, targets: Tensor, groups: Float[Tensor, "group example"]
    ) -> Float[np.ndarray, "group unit"]:
        """How much the mean loss of each group of examples rises when each unit alone is silenced, exactly."""
        weights = groups / groups.sum(1, keepdim=True)
        total = sum(self.sizes)
        found = torch.zeros(total + 1, len(groups))
        with torch.no_grad():
            for rows in torch.split(torch.arange(len(inputs)), TOGETHER):
                x, y, of = inputs[rows], targets[rows], weights[:, rows]
                for unit in range(total + 1):  # the last is no unit: nothing is silenced
                    gates = torch.ones(1, total + 1)
                    gates[0, unit] = 0
                    logits = self.logits(x, gates[:, :total].expand(len(x), -1))
                    found[unit] += of @ F.cross_entropy(logits, y, reduction="none")
        return (found[:-1] - found[-1]).T.double().numpy()

    def slopes(self, inputs: Tensor, targets: Tensor) -> Float[np.ndarray, "example unit"]:
        """How each example's loss moves with each gate."""
        return torch.cat([*self._slopes(inputs, targets)]).numpy()

    def activations(self, inputs: Tensor) -> list[Float[np.ndarray, "example unit"]]:
        """By layer what its units are; of images the mean over positions."""
        parts: list[list[Tensor]] = [[] for _ in self.sizes]

        def keep(into: list[Tensor]) -> Callable[[Tensor], Tensor]:
            def seen(given: Tensor) -> Tensor:
                into.append(given.flatten(2).mean(2) if given.dim() > 2 else given)
                return given

            return seen

        with torch.no_grad(), self._hooked([keep(into) for into in parts]):
            for some in torch.split(inputs, TOGETHER):
                self.network(some)
        return [torch.cat(part).double().numpy() for part in parts]

    def lost_without(
        self, inputs: Tensor, targets: Tensor, units: Bool[np.ndarray, "example unit"]
    ) -> Bool[np.ndarray, " example"]:
        """Which examples are not predicted when each one's own units are silenced."""
        found = [torch.zeros(0, dtype=torch.bool)]
        with torch.no_grad():
            for rows in torch.split(torch.arange(len(inputs)), TOGETHER):
                gates = torch.from_numpy(~units[rows.numpy()]).float()
                found.append(self.logits(inputs[rows], gates).argmax(1) != targets[rows])
        return torch.cat(found).numpy()

    def right_without(self, inputs: Tensor, targets: Tensor, units: Int[np.ndarray, " silenced"]) -> np.ndarray:
        """Which examples are predicted when these units are silenced."""
        gates = torch.ones(1, sum(self.sizes))
        gates[0, torch.from_numpy(units)] = 0
        found = []
        with torch.no_grad():
            for x, y in zip(torch.split(inputs, TOGETHER), torch.split(targets, TOGETHER), strict=True):
                found.append(self.logits(x, gates.expand(len(x), -1)).argmax(1) == y)
        return torch.cat(found).numpy()

    def layers_of(self, units: Int[np.ndarray, " silenced"]) -> Int[np.ndarray, " layer"]:
        """How many of these units each layer hands on."""
        layer = np.searchsorted(np.cumsum(self.sizes), units, side="right")
        return np.bincount(layer, minlength=len(self.sizes)).astype(np.int32)

    def search(
        self, inputs: Tensor, targets: Tensor, mean: Float[Tensor, " unit"], budget: int
    ) -> tuple[Int[np.ndarray, "layer example"], np.ndarray]:
        """Units silenced by layer, and who became wrong."""
        gates = torch.ones(len(inputs), sum(self.sizes))
        wrong, going = np.zeros(len(inputs), bool), torch.arange(len(inputs))
        for _ in range(budget):
            score = mean - self.gradient(inputs[going], targets[going], gates[going])[1]
            score[gates[going] == 0] = -torch.inf
            best = score.max(1)
            going, unit = going[best.values > 0], best.indices[best.values > 0]
            if not len(going):
                break
            gates[going, unit] = 0
            with torch.no_grad():
                lost = self.logits(inputs[going], gates[going]).argmax(1) != targets[going]
            wrong[going[lost].numpy()] = True
            going = going[~lost]
        off = torch.split(gates == 0, self.sizes, 1)
        return np.stack([part.sum(1).numpy() for part in off]), wrong
