"""What a probe sees of a run after its training: weights at checkpoints, and what networks with any weights answer."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Int8
from torch import Tensor, nn
from torch.func import functional_call, vmap

from byrote.axes import CHECKPOINT
from byrote.data.corpus import Corpus
from byrote.evidence.kinds.weights import WEIGHTS_AT
from byrote.evidence.store import Evidence
from byrote.probes import tokens
from byrote.probes.judging import Judge

#: Examples that go through many networks together, and numbers that the weights which are not shared may hold.
BATCH, NUMBERS = 256, 2**26

#: Tensors of networks by name: `[network, ...]`, or `[1, ...]` where all of them have the same.
Weights = Mapping[str, Tensor]


@dataclass(frozen=True, eq=False)
class Answers:
    """What networks predict: an example is one prediction, and a document one for each of its scored tokens.

    `example` is the row of each prediction.
    """

    correct: Bool[np.ndarray, "network prediction"]
    margin: Float[np.ndarray, "network prediction"]
    example: Int[np.ndarray, " prediction"]


class Asked(ABC):
    """A skeleton network and the examples that are shown to it."""

    network: nn.Module

    @abstractmethod
    def answers(self, weights: Weights, rows: Int[np.ndarray, " row"]) -> Answers:
        """What networks with these weights answer for these examples, in evaluation mode."""


class AskedExamples(Asked):
    """A classifier; `stacked` networks answer side by side."""

    def __init__(self, network: nn.Module, inputs: Tensor, targets: Tensor, judge: Judge, *, stacked: bool) -> None:
        self.network, self.inputs, self.targets = network.eval(), inputs, targets
        self.judge, self.stacked = judge, stacked
        first = {id(tensor): name for name, tensor in reversed(network.state_dict(keep_vars=True).items())}
        self._names = list(first.values())

    def answers(self, weights: Weights, rows: Int[np.ndarray, " row"]) -> Answers:
        """One prediction an example."""
        count = max(len(tensor) for tensor in weights.values())
        margins = []
        with torch.no_grad():
            for chosen in torch.split(torch.from_numpy(rows).to(self.inputs.device), BATCH):
                logits = self._logits(weights, count, self.inputs[chosen])
                targets = self.targets[chosen]
                read = self.judge.read(logits, targets.expand(count, *targets.shape))
                margins.append(read["logit_margin"].cpu().numpy())
        margin = np.concatenate(margins, axis=1)
        return Answers(correct=margin > 0, margin=margin, example=rows)

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

    def __init__(self, network: nn.Module, corpus: Corpus, context: int, device: str) -> None:
        self.network, self.corpus, self.context, self.device = network.eval(), corpus, context, device

    def answers(self, weights: Weights, rows: Int[np.ndarray, " row"]) -> Answers:
        """One prediction a scored token."""
        some = self.corpus.subset(rows)
        count = max(len(tensor) for tensor in weights.values())
        correct, margin = (np.empty((count, int(some.scored.sum())), kind) for kind in (bool, np.float32))
        before = {name: tensor.clone() for name, tensor in self.network.state_dict().items()}
        for row in range(count):
            self.network.load_state_dict({name: tensor[min(row, len(tensor) - 1)] for name, tensor in weights.items()})
            read = tokens.signals(self.network, some, device=self.device, context=self.context)
            correct[row], margin[row] = read["hit"][some.scored], read["margin"][some.scored]
        self.network.load_state_dict(before)
        document = np.repeat(rows, some.lengths)[some.scored]
        return Answers(correct=correct, margin=margin, example=document)


@dataclass(frozen=True, eq=False)
class History:
    """A run whose models' weights were kept at checkpoints.

    `models` are those of which they were, `member[model, example]` says who was trained on which (-1 unknown),
    `groups` are the examples of each planted control, `heldout` examples of the same network that no model was trained
    on, where they are not among the examples. `seed` is the run's own.
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

    @cached_property
    def checkpoints(self) -> tuple[int, ...]:
        """Epochs done where weights were kept; those of the first model, where the best are those of each model."""
        found = self.evidence.coordinates(WEIGHTS_AT.name, CHECKPOINT, self.models[0], self.phase)
        return tuple(int(epoch) for epoch in found)

    def rng(self, *key: int) -> np.random.Generator:
        """A generator of the run's seed and these numbers, so that a probe finds the same whenever it looks."""
        return np.random.default_rng([self.seed, 7, *key])

    def weights(self, checkpoint: int, models: Sequence[int] | None = None) -> dict[str, Tensor]:
        """Tensors `[model, ...]` at the checkpoint of that number, of all or of these models."""
        chosen = self.models if models is None else models
        shards = [self.evidence.block(WEIGHTS_AT.name, model, self.phase) for model in chosen]
        stacked = {name: np.stack([shard[name][checkpoint] for shard in shards]) for name in shards[0]}
        return {name: torch.from_numpy(array) for name, array in stacked.items()}

    def answers(self, weights: Weights, rows: Int[np.ndarray, " row"] | None = None) -> Answers:
        """What networks with these weights `[network, ...]` answer for all examples, or for these."""
        return self.asked.answers(weights, np.arange(self.examples) if rows is None else rows)

    def layers(self) -> dict[str, tuple[str, ...]]:
        """The layers in the order of the network, each with the names of its tensors, buffers included.

        A layer is the part of a network that is numbered first, as a block of a GPT, or else the module that owns the
        tensors. Tensors that are one and the same, such as an output tied to its embedding, are in the layer of the
        first.
        """
        state = self.asked.network.state_dict(keep_vars=True)
        first: dict[int, str] = {}
        found: dict[str, list[str]] = {}
        for name, tensor in state.items():
            owner = first.setdefault(id(tensor), name)
            found.setdefault(layer_of(owner), []).append(name)
        return {layer: tuple(names) for layer, names in found.items()}

    @property
    def parameters(self) -> frozenset[str]:
        """The names of tensors that are weights; the others are buffers."""
        return frozenset(name for name, _ in self.asked.network.named_parameters(remove_duplicate=False))

    def room(self, layer: Sequence[str], weights: Weights) -> int:
        """How many networks that differ in one layer alone can be asked together."""
        return max(2, NUMBERS // max(1, sum(weights[name][0].numel() for name in layer)))


def layer_of(name: str) -> str:
    """The layer of a tensor of that name.

    Example:
        >>> layer_of("model.layers.0.self_attn.q_proj.weight"), layer_of("0.bias"), layer_of("model.norm.weight")
        ('model.layers.0', '0', 'model.norm')
    """
    numbered = re.match(r"(?:[^.]*[^.\d][^.]*\.)*?\d+(?=\.)", name)
    return numbered[0] if numbered else name.rpartition(".")[0] or name
