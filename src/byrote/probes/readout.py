"""Readout: which label the nearest neighbours of an example have, layer by layer, as a network learns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from byrote.axes import CHECKPOINT, EXAMPLE, LAYER, MODEL
from byrote.errors import BadInput
from byrote.evidence.kind import CLASSES, TEXT, Kind, Quantity
from byrote.probes.contract import LaterProbe, Shard
from byrote.probes.history import AskedDocuments, AskedExamples, History
from byrote.probes.layers import INPUTS
from byrote.probes.registry import probe

_CELLS = (MODEL, LAYER, CHECKPOINT, EXAMPLE)
#: Predictions whose neighbours are looked for at once.
BLOCK: Final = 1024

READOUT: Final = Kind(
    name="readout",
    says="which label the nearest neighbours of each example have in each layer, at checkpoints",
    quantities={
        "given": Quantity(
            _CELLS,
            "float32",
            "share",
            "share of an example's predictions in which its neighbours vote for the given label",
        ),
        "true": Quantity(
            _CELLS, "float32", "share", "the same with the label before label noise", tasks=frozenset({CLASSES})
        ),
        "epochs": Quantity((CHECKPOINT,), "int64", "epoch", "epochs done at each checkpoint"),
    },
    coordinates={LAYER: "the layers that are read, in the order in which the network calls them"},
    tasks=frozenset({CLASSES, TEXT}),
    sampled=True,
    recorded_by="audit into another folder with --keep-weights-at checkpoints, then `byrote probe RUN readout`",
)


@probe
@dataclass
class ReadoutProbe(LaterProbe):
    """The majority of the nearest neighbours among what the model is trained on, the example itself left out.

    In every layer, at every checkpoint that was kept. A layer is read as what the next one is given, and the last one
    as the answer; `inputs` stands before them, for what can be read off without a network. Neighbours are nearest by
    cosine; of a tie the label of the nearest counts. Of more than `most` predictions that many are read, drawn once
    for all models, wrong labels first; the others are nan.

    Differs: an example of a language model is a document, its predictions are those of its scored tokens, neighbours
    are places in other documents, and the label is the next token. `inputs` is not read, as tokens have no cosine.
    """

    neighbours: int = 5
    most: int = 5000
    layers: str = ""

    name: ClassVar[str] = "readout"
    kinds = (READOUT,)

    def __post_init__(self) -> None:
        if self.neighbours < 1 or self.most <= self.neighbours:
            raise BadInput(
                f"readout needs at least 1 neighbour, and more predictions than neighbours. Got "
                f"{self.neighbours} of {self.most}.",
                hint="readout,neighbours=5,most=5000",
            )

    def read(self, at: History, model: int) -> Shard:
        """Read every layer at every checkpoint."""
        layers, read = list(at.chosen_layers(self.layers)), _Read.of(at, self.most)
        trained = at.member_of(model) == 1
        inputs = read.inputs(at)
        names = [*([] if inputs is None else [INPUTS]), *layers]
        size = (len(names), len(at.checkpoints), at.examples)
        columns = {name: np.full(size, np.nan, np.float32) for name in read.labels}
        for checkpoint in range(len(at.checkpoints)):
            found = at.asked.features(at.weights(checkpoint, [model]), layers, read.rows)
            found = {name: tensor[read.kept] for name, tensor in found.items()}
            if inputs is not None:
                found[INPUTS] = inputs
            for row, name in enumerate(names):
                if name == INPUTS and checkpoint:  # they are the same at all times
                    for values in columns.values():
                        values[row, checkpoint] = values[row, 0]
                    continue
                votes = neighbours_labels(
                    found[name], read.labels["given"], read.example, trained[read.example], self.neighbours
                )
                for column, labels in read.labels.items():
                    columns[column][row, checkpoint] = _shares(votes == labels, votes >= 0, read.example, at.examples)
        return Shard(
            kind=READOUT,
            model=model,
            columns={**columns, "epochs": np.array(at.checkpoints, np.int64)},
            coordinates={LAYER: names},
        )


@dataclass(frozen=True, eq=False)
class _Read:
    """The examples at `rows` are shown; of their predictions those `kept` are read, each of an example, with labels."""

    rows: Int[np.ndarray, " row"]
    kept: Tensor
    example: Int[np.ndarray, " prediction"]
    labels: dict[str, Int[np.ndarray, " prediction"]]

    @classmethod
    def of(cls, at: History, most: int) -> _Read:
        """What is read of a run, the same for all of its models."""
        rng = at.rng(1)
        if isinstance(at.asked, AskedDocuments):
            rows = np.arange(at.examples)
            corpus = at.asked.corpus
            example = np.repeat(rows, corpus.lengths)[corpus.scored]
            kept = np.sort(rng.permutation(len(example))[:most])
            shown = np.unique(example[kept])
            where = np.flatnonzero(np.isin(example, shown))
            place = np.searchsorted(where, kept)
            return cls(shown, torch.from_numpy(place), example[kept], {"given": at.asked.targets(rows)[kept]})
        wrong = at.labels != at.true_labels
        order = np.lexsort((rng.random(at.examples), ~wrong))
        rows = np.sort(order[:most])
        labels = {"given": at.labels[rows], "true": at.true_labels[rows]}
        return cls(rows, torch.arange(len(rows)), rows, labels)

    def inputs(self, at: History) -> Tensor | None:
        """The inputs as features; None of documents, or where they are not numbers that can be compared."""
        if not isinstance(at.asked, AskedExamples) or not at.asked.inputs.is_floating_point():
            return None
        return at.asked.inputs[torch.from_numpy(self.rows)].flatten(1).float()


def neighbours_labels(
    features: Tensor,
    labels: Int[np.ndarray, " prediction"],
    example: Int[np.ndarray, " prediction"],
    trained: Bool[np.ndarray, " prediction"],
    neighbours: int,
) -> Int[np.ndarray, " prediction"]:
    """The label of most of the nearest trained predictions of other examples, by cosine; -1 where too few are there.

    Example:
        >>> at = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.1, 1.0]])
        >>> neighbours_labels(at, np.array([3, 3, 7, 7]), np.arange(4), np.ones(4, bool), 1)
        array([3, 3, 7, 7])
    """
    bank = np.flatnonzero(trained)
    if len(np.unique(example[bank])) <= neighbours:
        return np.full(len(labels), -1, np.int64)
    unit = torch.nn.functional.normalize(features, dim=1)
    own, known = torch.from_numpy(example), torch.from_numpy(labels)[bank]
    votes = []
    for chosen in torch.split(torch.arange(len(labels)), BLOCK):
        likeness = unit[chosen] @ unit[bank].T
        likeness[own[chosen][:, None] == own[bank][None]] = -torch.inf
        near = likeness.topk(neighbours, dim=1)
        found = known[near.indices]
        # the nearest first: a later label wins by more votes alone
        count = (found[:, :, None] == found[:, None]).sum(2) * neighbours - torch.arange(neighbours)
        votes.append(found.gather(1, count.argmax(1, keepdim=True))[:, 0])
    return np.asarray(torch.cat(votes).numpy())


def _shares(right: np.ndarray, known: np.ndarray, example: np.ndarray, examples: int) -> np.ndarray:
    """`[example]`: the share of an example's predictions; nan of one with none."""
    count = np.bincount(example[known], minlength=examples)
    hits = np.bincount(example[known & right], minlength=examples)
    return np.asarray(np.divide(hits, count, out=np.full(examples, np.nan), where=count > 0), np.float32)
