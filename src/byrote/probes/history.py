"""What a probe sees of a run after its training: weights at checkpoints, and what networks with any weights answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int, Int8
from torch import Tensor, nn
from torch.func import functional_call, vmap

from byrote.axes import CHECKPOINT
from byrote.data.corpus import Corpus
from byrote.evidence.kinds.weights import WEIGHTS_AT
from byrote.evidence.store import Evidence
from byrote.probes import tokens
from byrote.probes.judging import Judge
from byrote.probes.layers import chosen_layers, flat, layers_of, seen

#: Examples that go through many networks together, and numbers that the weights which are not shared may hold.
BATCH, NUMBERS = 256, 2**26

#: Tensors of networks by name: `[network, ...]`, or `[1, ...]` where all of them have the same.
Weights = Mapping[str, Tensor]


@dataclass(frozen=True, eq=False)
class Answers:
    """What networks predict: an example is one prediction, and a document one for each of its scored tokens.

    `log_probability` is that of the target, in nats, and `example` the row of each prediction.
    """

    correct: Bool[np.ndarray, "network prediction"]
    margin: Float[np.ndarray, "network prediction"]
    log_probability: Float[np.ndarray, "network prediction"]
    example: Int[np.ndarray, " prediction"]


class Asked(ABC):
    """A skeleton network and the examples that are shown to it."""

    network: nn.Module
    #: Whether an example is a document, with a prediction for each of its scored tokens.
    of_text: ClassVar[bool] = False
    #: How many examples there are.
    count: int

    @abstractmethod
    def answers(self, weights: Weights, rows: Int[np.ndarray, " row"]) -> Answers:
        """What networks with these weights answer for these examples, in evaluation mode."""

    @abstractmethod
    def features(self, weights: Weights, layers: Sequence[str], rows: Int[np.ndarray, " row"]) -> dict[str, Tensor]:
        """What one network with these weights `[1, ...]` makes of these examples in each layer, by its name.

        It is what the next of the network's layers is given, and of the last one what it puts out: `[prediction,
        feature]`, one row for each prediction of `answers`.
        """

    @cached_property
    def called(self) -> dict[str, tuple[str, ...]]:
        """The layers in the order in which the network calls them, as `History.layers`."""
        return layers_of(self.network, self._trial)

    @abstractmethod
    def _trial(self) -> None:
        """Show the network a single example."""


class AskedExamples(Asked):
    """A classifier; `stacked` networks answer side by side."""

    def __init__(self, network: nn.Module, inputs: Tensor, targets: Tensor, judge: Judge, *, stacked: bool) -> None:
        self.network, self.inputs, self.targets = network.eval(), inputs, targets
        self.judge, self.stacked, self.count = judge, stacked, len(inputs)
        first = {id(tensor): name for name, tensor in reversed(network.state_dict(keep_vars=True).items())}
        self._names = list(first.values())

    def answers(self, weights: Weights, rows: Int[np.ndarray, " row"]) -> Answers:
        """One prediction an example."""
        count = max(len(tensor) for tensor in weights.values())
        margins, odds = [], []
        with torch.no_grad():
            for chosen in torch.split(torch.from_numpy(rows).to(self.inputs.device), BATCH):
                logits = self._logits(weights, count, self.inputs[chosen])
                targets = self.targets[chosen]
                read = self.judge.read(logits, targets.expand(count, *targets.shape))
                margins.append(read["logit_margin"].cpu().numpy())
                odds.append(read["log_odds"].cpu())
        margin = np.concatenate(margins, axis=1)
        log_p = F.logsigmoid(torch.cat(odds, 1)).numpy()
        return Answers(correct=margin > 0, margin=margin, log_probability=log_p, example=rows)

    def features(self, weights: Weights, layers: Sequence[str], rows: Int[np.ndarray, " row"]) -> dict[str, Tensor]:
        """As `Asked`; an array of more than 4,096 numbers an example is averaged over positions."""
        _load(self.network, weights)
        order, parts = list(self.called), []
        for chosen in torch.split(torch.from_numpy(rows).to(self.inputs.device), BATCH):
            with torch.no_grad(), seen(self.network, order) as found:
                self.network(self.inputs[chosen])
            parts.append({layer: flat(found.tensor(layer)) for layer in layers})
        return {layer: torch.cat([part[layer] for part in parts]) for layer in layers}

    def _trial(self) -> None:
        with torch.no_grad():
            self.network(self.inputs[:1])

    def _logits(self, weights: Weights, count: int, inputs: Tensor) -> Tensor:
        def one(own: dict[str, Tensor]) -> Tensor:
            logits: Tensor = functional_call(self.network, {**shared, **own}, (inputs,))
            return logits

        # of tensors that are one and the same the first name stands for all
        weights = {name: weights[name] for name in self._names}
        shared = {name: tensor[0] for name, tensor in weights.items() if len(tensor) < count or count == 1}
        own = {name: tensor for name, tensor in weights.items() if name not in shared}
        if not own:
            return one({})[None]
        if self.stacked:
            return vmap(one, randomness="error")(own)
        return torch.stack([one({name: tensor[row] for name, tensor in own.items()}) for row in range(count)])


class AskedDocuments(Asked):
    """A language model, one network after another."""

    of_text: ClassVar[bool] = True

    def __init__(self, network: nn.Module, corpus: Corpus, context: int, device: str) -> None:
        self.network, self.corpus, self.context, self.device = network.eval(), corpus, context, device
        self.count = len(corpus)

    def answers(self, weights: Weights, rows: Int[np.ndarray, " row"]) -> Answers:
        """One prediction a scored token."""
        some = self.corpus.subset(rows)
        count = max(len(tensor) for tensor in weights.values())
        size = (count, int(some.scored.sum()))
        correct, margin, log_p = (np.empty(size, kind) for kind in (bool, np.float32, np.float32))
        before = {name: tensor.clone() for name, tensor in self.network.state_dict().items()}
        for row in range(count):
            self.network.load_state_dict({name: tensor[min(row, len(tensor) - 1)] for name, tensor in weights.items()})
            read = tokens.signals(self.network, some, device=self.device, context=self.context)
            names = ("hit", "margin", "log_probability")
            correct[row], margin[row], log_p[row] = (read[name][some.scored] for name in names)
        self.network.load_state_dict(before)
        document = np.repeat(rows, some.lengths)[some.scored]
        return Answers(correct=correct, margin=margin, log_probability=log_p, example=document)

    def features(self, weights: Weights, layers: Sequence[str], rows: Int[np.ndarray, " row"]) -> dict[str, Tensor]:
        """As `Asked`, at the places from which scored tokens are predicted."""
        _load(self.network, weights)
        some, order = self.corpus.subset(rows), list(self.called)
        found: dict[str, Tensor] = {}
        for inputs, place in tokens.batches(some, self.context):
            row, position, token = (torch.from_numpy(part) for part in place)
            with torch.no_grad(), seen(self.network, order) as looked:
                self.network(torch.from_numpy(inputs).to(self.device))
            for layer in layers:
                values = looked.tensor(layer)[row, position].flatten(1).float()
                found.setdefault(layer, values.new_zeros(len(some.tokens), values.shape[1]))[token] = values
        return {layer: values[torch.from_numpy(some.scored)] for layer, values in found.items()}

    def targets(self, rows: Int[np.ndarray, " row"]) -> Int[np.ndarray, " prediction"]:
        """The scored tokens of these documents."""
        some = self.corpus.subset(rows)
        return np.asarray(some.tokens[some.scored], np.int64)

    def _trial(self) -> None:
        with torch.no_grad():
            self.network(torch.zeros(1, 2, dtype=torch.int64, device=self.device))


@dataclass(frozen=True, eq=False)
class History:
    """A run whose models' weights were kept at checkpoints.

    `models` are those of which they were, `member[model, example]` says who was trained on which (-1 unknown),
    `groups` are the examples of each planted control, `heldout` examples of the same network that no model was trained
    on, where they are not among the examples. `labels` are the classes trained on, `true_labels` those before label
    noise was planted; empty where an example has no single class. `pair` is that of each model, -1 where it has no
    mate. `seed` is the run's own.
    """

    evidence: Evidence
    phase: int
    models: tuple[int, ...]
    examples: int
    member: Int8[np.ndarray, "model example"]
    groups: Mapping[str, Bool[np.ndarray, " example"]]
    asked: Asked
    seed: int
    heldout: Asked | None = None
    labels: Int[np.ndarray, " labelled"] = field(default_factory=lambda: np.zeros(0, np.int64))
    true_labels: Int[np.ndarray, " labelled"] = field(default_factory=lambda: np.zeros(0, np.int64))
    pair: Int[np.ndarray, " model"] = field(default_factory=lambda: np.zeros(0, np.int64))

    @cached_property
    def checkpoints(self) -> tuple[int, ...]:
        """Epochs done where weights were kept; those of the first model, where the best are those of each model."""
        found = self.evidence.coordinates(WEIGHTS_AT.name, CHECKPOINT, self.models[0], self.phase)
        return tuple(int(epoch) for epoch in found)

    def rng(self, *key: int) -> np.random.Generator:
        """A generator of the run's seed and these numbers, so that a probe finds the same whenever it looks."""
        return np.random.default_rng([self.seed, 7, *key])

    def member_of(self, model: int) -> Int8[np.ndarray, " example"]:
        """The row of `member` of a model, by its number in the run."""
        row: np.ndarray = self.member[self.models.index(model)]
        return row

    def weights(self, checkpoint: int, models: Sequence[int] | None = None) -> dict[str, Tensor]:
        """Tensors `[model, ...]` at the checkpoint of that number, of all or of these models."""
        chosen = self.models if models is None else models
        shards = [self.evidence.block(WEIGHTS_AT.name, model, self.phase) for model in chosen]
        stacked = {name: np.stack([shard[name][checkpoint] for shard in shards]) for name in shards[0]}
        return {name: torch.from_numpy(array) for name, array in stacked.items()}

    def network(self, model: int) -> nn.Module:
        """The network with the final weights of a model. The next call puts other weights into the same network."""
        _load(self.asked.network, self.weights(len(self.checkpoints) - 1, [model]))
        return self.asked.network

    def answers(self, weights: Weights, rows: Int[np.ndarray, " row"] | None = None) -> Answers:
        """What networks with these weights `[network, ...]` answer for all examples, or for these."""
        return self.asked.answers(weights, np.arange(self.examples) if rows is None else rows)

    def layers(self) -> dict[str, tuple[str, ...]]:
        """The layers in the order in which the network calls them, each with its tensors' names, buffers included.

        A layer is the part of a network that is numbered first, as a block of a GPT, or else the module that owns the
        tensors. Tensors that are one and the same, such as an output tied to its embedding, are in the layer of the
        first. A layer that is not called when an example is shown stands last.
        """
        return self.asked.called

    def chosen_layers(self, names: str) -> dict[str, tuple[str, ...]]:
        """Those of the layers that are named, between semicolons; all of them where none is.

        Raises:
            BadInput: the network has no layer of that name.
        """
        layers = self.layers()
        return {layer: layers[layer] for layer in chosen_layers(names, layers)}

    @property
    def parameters(self) -> frozenset[str]:
        """The names of tensors that are weights; the others are buffers."""
        return frozenset(name for name, _ in self.asked.network.named_parameters(remove_duplicate=False))


@dataclass(frozen=True, eq=False)
class OfStates(History):
    """The same of a model that somebody else trained: its weights at the end, and before it was fine-tuned if known.

    The number of a checkpoint stands for its epoch: 0 is the model before its fine-tune, 1 the model. `base` is the
    digest of the former, if it is known.
    """

    states: tuple[Weights, ...] = ()
    base: str = ""

    @cached_property
    def checkpoints(self) -> tuple[int, ...]:
        """The numbers of the states."""
        return tuple(range(len(self.states)))

    def weights(self, checkpoint: int, models: Sequence[int] | None = None) -> dict[str, Tensor]:
        """As `History`, of the one model."""
        return {name: tensor[None] for name, tensor in self.states[checkpoint].items()}


def room(layer: Sequence[str], weights: Weights) -> int:
    """How many networks that differ in one layer alone can be asked together."""
    return max(2, NUMBERS // max(1, sum(weights[name][0].numel() for name in layer)))


def _load(network: nn.Module, weights: Weights) -> None:
    network.load_state_dict({name: tensor[0] for name, tensor in weights.items()})
