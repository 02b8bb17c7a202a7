"""Unit search: how many hidden units have to be silenced until a network loses an example."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from byrote.axes import EXAMPLE, LAYER, MODEL
from byrote.errors import BadInput
from byrote.evidence.kind import CLASSES, Kind, Quantity
from byrote.probes.contract import Probe, Shard, When
from byrote.probes.history import AskedExamples, History
from byrote.probes.registry import probe

#: Examples that are searched together.
TOGETHER: Final = 512

UNIT_SEARCH: Final = Kind(
    name="unit_search",
    says="how many hidden units are silenced, one after the other, until the final network predicts an example wrong",
    quantities={
        "silenced": Quantity(
            (MODEL, LAYER, EXAMPLE), "int32", "unit", "units silenced in each layer; 0 where it is wrong in the end"
        ),
        "flipped": Quantity((MODEL, EXAMPLE), "bool", "", "the prediction became wrong within the budget"),
        "right": Quantity((MODEL, EXAMPLE), "bool", "", "the final network predicts it"),
        "sureness": Quantity((MODEL, EXAMPLE), "float32", "logit", "the final margin"),
    },
    coordinates={LAYER: "the layers whose units are silenced, in the order in which the network calls them"},
    tasks=frozenset({CLASSES}),
    sampled=True,
    recorded_by="audit into another folder with --keep-weights-at last, then `byrote probe RUN unit_search`",
)


@probe
@dataclass
class UnitSearchProbe(Probe):
    """Greedy search in every model whose weights were kept, for all examples at once.

    A unit is an entry of what a layer hands to the next one; of images a channel. In each round the unit is silenced
    whose silencing raises the example's loss most by its gradient, minus what it raises the mean loss over all
    examples. Gates are inputs of their own, so one backward pass serves all examples. The search of an example ends
    where its prediction is wrong, where no unit raises its loss beyond the mean, or after `budget` units.

    Source: Maini et al. 2023, arXiv:2307.09542.
    Differs: their code ranks channel sums beside single weights, and does not end where no score is positive.
    """

    budget: int = 60

    name: ClassVar[str] = "unit_search"
    when: ClassVar[frozenset[When]] = frozenset({"after"})
    kinds = (UNIT_SEARCH,)

    def __post_init__(self) -> None:
        if self.budget < 1:
            raise BadInput(
                f"The 'budget' setting of unit_search must be at least 1. Got {self.budget}.",
                hint="unit_search,budget=60",
            )
        self.found: list[Shard] = []

    def look(self, at: History) -> None:
        """Search one model after another."""
        self.found = [self._of_model(at, model) for model in at.models]

    def shards(self) -> Iterator[Shard]:
        """One shard a model."""
        yield from self.found

    def _of_model(self, at: History, model: int) -> Shard:
        assert isinstance(at.asked, AskedExamples), "it is for classes"
        final = at.weights(len(at.checkpoints) - 1, [model])
        base, layers = at.answers(final), list(at.layers())
        if len(layers) < 2:
            raise BadInput(
                "unit_search silences what one layer hands to the next, and the network has one layer.",
                hint="train a network with a hidden layer, as byrote.MLP(hidden=(64,)).",
            )
        network = at.asked.network
        network.load_state_dict({name: tensor[0] for name, tensor in final.items()})
        gated = Gated(network, layers, at.asked.inputs[:2])
        right = np.flatnonzero(base.correct[0])
        mean = gated.mean_gradient(at.asked.inputs, at.asked.targets)
        silenced = np.zeros((len(gated.sizes), at.examples), np.int32)
        flipped = np.zeros(at.examples, bool)
        for start in range(0, len(right), TOGETHER):
            rows = right[start : start + TOGETHER]
            chosen = torch.from_numpy(rows)
            found, wrong = gated.search(at.asked.inputs[chosen], at.asked.targets[chosen], mean, self.budget)
            silenced[:, rows], flipped[rows] = found, wrong
        columns = {
            "silenced": silenced,
            "flipped": flipped,
            "right": base.correct[0],
            "sureness": base.margin[0].astype(np.float32),
        }
        return Shard(kind=UNIT_SEARCH, model=model, columns=columns, coordinates={LAYER: layers[:-1]})


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
        for x, y in zip(torch.split(inputs, TOGETHER), torch.split(targets, TOGETHER), strict=True):
            total += self.gradient(x, y, torch.ones(len(x), sum(self.sizes)))[1].sum(0)
        return total / len(inputs)

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
