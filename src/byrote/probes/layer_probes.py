"""A probe of probes: which label simple classifiers read off each layer, at checkpoints, of an example left out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from byrote.axes import CHECKPOINT, EXAMPLE, LAYER, MODEL, QUERY
from byrote.errors import BadInput
from byrote.evidence.kind import OF_CLASSES, Kind, Quantity
from byrote.probes.contract import Block, Shard
from byrote.probes.handed import Gathered, LayersProbe, epochs_of
from byrote.probes.registry import probe
from byrote.stats.neighbours import directions, nearest, vote
from byrote.stats.ridge import ridge

_OF_EXAMPLES: Final = (MODEL, CHECKPOINT, LAYER, EXAMPLE)
_OF_QUERIES: Final = (MODEL, CHECKPOINT, LAYER, QUERY)
#: Class of an example that was not drawn, or of a model whose features are not finite.
NOTHING: Final = -1
_COLUMNS: Final = {
    "neighbours_given": (_OF_EXAMPLES, "the nearest training examples, by given labels"),
    "neighbours_true": (_OF_EXAMPLES, "the nearest training examples, by true labels"),
    "ridge_given": (_OF_EXAMPLES, "ridge regression onto given labels"),
    "ridge_true": (_OF_EXAMPLES, "ridge regression onto true labels"),
    "heldout_neighbours": (_OF_QUERIES, "the nearest training examples, by true labels"),
    "heldout_ridge": (_OF_QUERIES, "ridge regression onto true labels"),
}

LAYER_PROBES: Final = Kind(
    name="layer_probes",
    says="the class that a simple classifier on what a layer hands on gives each example; members are left out",
    quantities={
        **{name: Quantity(dims, "int16", "class", f"{says}; -1 for none") for name, (dims, says) in _COLUMNS.items()},
        "heldout_label": Quantity((QUERY,), "int64", "class", "the label of each held-out example"),
        "epochs": Quantity((CHECKPOINT,), "int64", "epoch", "epochs done at each checkpoint"),
    },
    coordinates={LAYER: "the inputs, and the layers in the order in which they are called"},
    tasks=OF_CLASSES,
    sampled=True,
    in_training=True,
    recorded_by="audit with held-out examples into another folder with --probe layer_probes",
)


@probe
@dataclass
class LayerProbesProbe(LayersProbe):
    """Nearest neighbours (cosine) and ridge regression, fitted to a model's own training examples.

    A member is left out of its own answer: with itself included a classifier memorizes by itself. The inputs stand
    beside the layers, since what they show a layer need not have learned. Alain & Bengio 2016, arXiv:1610.01644.

    Attributes:
        neighbours: how many vote.
        most, layers: as of other probes of layers.
    """

    neighbours: int = 5

    name: ClassVar[str] = "layer_probes"
    kinds = (LAYER_PROBES,)
    few = True  # about a third of a CPU second for each model and checkpoint on digits
    passes = 20.0

    def __post_init__(self) -> None:
        if self.neighbours < 1:
            raise BadInput(
                f"The 'neighbours' setting of layer_probes must be at least 1. Got {self.neighbours}.",
                hint="layer_probes,neighbours=5",
            )

    def begin(self, block: Block) -> None:
        """Nothing was read yet.

        Raises:
            BadInput: a model is trained on too few examples.
        """
        super().begin(block)
        least = int(self.member.sum(1).min())
        if least < self.neighbours + 2:
            raise BadInput(
                f"The probe 'layer_probes' asks {self.neighbours} neighbours among a model's training examples, of "
                f"which some model has {least}.",
                hint="layer_probes,neighbours=1, or audit more examples.",
            )
        self.found: dict[str, list[np.ndarray]] = {name: [] for name in _COLUMNS}
        self.names: list[str] = []

    def read(self, seen: Gathered) -> None:
        """What each classifier answers at this checkpoint, `[model, layer, example or query]`."""
        self.names = list(seen.features)
        models = range(len(self.block.models))
        answers = [[self._of(row, seen, name) for name in self.names] for row in models]
        for column in _COLUMNS:
            self.found[column].append(np.array([[each[column] for each in of] for of in answers], np.int16))

    def shards(self) -> Iterator[Shard]:
        """One for each model."""
        held = self.block.targets[:0] if self.block.heldout is None else self.block.heldout[1]
        shared = {"heldout_label": held.cpu().numpy().astype(np.int64)} | epochs_of(self.block)
        for row, model in enumerate(self.block.models):
            columns = {name: np.stack([one[row] for one in found]) for name, found in self.found.items()}
            yield Shard(
                kind=LAYER_PROBES,
                model=model,
                columns=columns | shared,
                coordinates={LAYER: self.names},
            )

    def _of(self, model: int, seen: Gathered, name: str) -> dict[str, np.ndarray]:
        """The answers of one model and layer."""
        x = seen.features[name][model]
        held = seen.heldout[name][model] if seen.heldout else x[:0]
        whole, queries = len(self.block.inputs), len(held)
        answers = {n: np.full(queries if QUERY in dims else whole, NOTHING) for n, (dims, _) in _COLUMNS.items()}
        if not (np.isfinite(x).all() and np.isfinite(held).all()):
            return answers
        mine = np.flatnonzero(self.member[model])
        own = np.full(len(x), -1)
        own[mine] = np.arange(len(mine))
        everyone = np.concatenate([x, held])
        found = nearest(
            directions(everyone),
            directions(x[mine]),
            self.neighbours,
            own=np.concatenate([own, np.full(queries, -1)]),
        )
        for kind, labels in (("given", self.given), ("true", self.true)):
            voted = vote(labels[mine][found.index], self.block.classes)
            fitted = _ridge(x[mine], labels[mine], everyone, own, self.block.classes)
            answers[f"neighbours_{kind}"][self.rows] = voted[: len(x)]
            answers[f"ridge_{kind}"][self.rows] = fitted[: len(x)]
            if kind == "true":
                answers["heldout_neighbours"], answers["heldout_ridge"] = voted[len(x) :], fitted[len(x) :]
        return answers


def _ridge(x: np.ndarray, labels: np.ndarray, everyone: np.ndarray, own: np.ndarray, classes: int) -> np.ndarray:
    """The class that ridge regression answers for everyone, members left out of their own."""
    found = ridge(x, np.eye(classes)[labels], everyone)
    values = found.others.copy()
    inside = np.flatnonzero(own >= 0)
    values[inside] = found.left_out[own[inside]]
    return np.where(np.isnan(values).any(1), NOTHING, np.nan_to_num(values).argmax(1))
