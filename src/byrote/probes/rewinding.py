"""Rewinding: what of what a model finally gets right it loses when one layer goes back to an earlier checkpoint."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import ClassVar, Final

import numpy as np
import torch
from jaxtyping import Float, Int32
from torch import Tensor

from byrote.axes import CHECKPOINT, EXAMPLE, LAYER, MODEL
from byrote.errors import BadInput
from byrote.evidence.kind import CLASSES, LABELS, TEXT, Kind, Quantity
from byrote.probes.contract import LaterProbe, Shard
from byrote.probes.history import Answers, Asked, History, OfStates, Weights, room
from byrote.probes.registry import probe

_CELLS = (MODEL, LAYER, CHECKPOINT, EXAMPLE)

REWINDING: Final = Kind(
    name="rewinding",
    says="predictions of the final network that turn wrong where one layer is as it was at a checkpoint",
    quantities={
        "wrong": Quantity(_CELLS, "int32", "prediction", "of those finally right, how many turn wrong"),
        "wrong_permuted": Quantity(
            _CELLS, "float32", "prediction", "the same where the layer's change has its entries permuted, on average"
        ),
        "right": Quantity((MODEL, EXAMPLE), "int32", "prediction", "how many the final network gets right"),
        "fitted": Quantity(
            (MODEL, CHECKPOINT, EXAMPLE), "int32", "prediction", "how many the network gets right at the checkpoint"
        ),
        "predictions": Quantity((MODEL, EXAMPLE), "int32", "prediction", "how many there are"),
        "confidence": Quantity(
            (MODEL, EXAMPLE),
            "float32",
            "",
            "how sure the final network is of the target: its margin; of a document the log-probability of its tokens",
        ),
        "wrong_heldout": Quantity(
            (MODEL, LAYER, CHECKPOINT), "float32", "share", "`wrong` of held-out examples, of those finally right"
        ),
        "loss_aside": Quantity(
            (MODEL, CHECKPOINT),
            "float32",
            "nat",
            "mean loss of held-out examples, or else of those that the model is not trained on; nan of none",
        ),
        "epochs": Quantity((CHECKPOINT,), "int64", "epoch", "epochs done at each checkpoint"),
    },
    coordinates={LAYER: "the layers that are rewound, in the order in which the network calls them"},
    tasks=frozenset({CLASSES, LABELS, TEXT}),
    sampled=True,
    recorded_by="audit into another folder with --keep-weights-at checkpoints, then `byrote probe RUN rewinding`",
)


@probe
@dataclass
class RewindingProbe(LaterProbe):
    """Every layer, at every checkpoint that was kept, in every model whose weights were.

    Weights and running statistics are rewound. The null is the same change of each weight tensor with its entries
    permuted: of equal size, and without what was learned. Maini et al. 2023 (arXiv:2307.09542), whose own code leaves
    running statistics as they are. `layers` names those to rewind, between semicolons; all of them where it is empty.

    Differs: an example of a language model is a document, and its predictions are those of its scored tokens.
    """

    permutations: int = 4
    layers: str = ""

    name: ClassVar[str] = "rewinding"
    kinds = (REWINDING,)

    def __post_init__(self) -> None:
        if self.permutations < 1:
            raise BadInput(
                f"The 'permutations' setting of rewinding must be at least 1. Got {self.permutations}.",
                hint="rewinding,permutations=4",
            )

    def look(self, at: History) -> None:
        """Rewind one model after another."""
        if len(at.checkpoints) < 2 and isinstance(at, OfStates):
            raise BadInput(
                "Rewinding compares a model with what it was before, and of this one only the end is known.",
                hint="byrote where RUN --base DIR, where DIR holds the model that its fine-tune began with.",
            )
        if len(at.checkpoints) < 2:
            raise BadInput(
                "Rewinding needs weights at two checkpoints at least, and one was kept.",
                hint="audit into another folder with --keep-weights-at checkpoints.",
            )
        super().look(at)

    def read(self, at: History, model: int) -> Shard:
        """What is lost with each layer rewound, and permuted."""
        layers, before = at.chosen_layers(self.layers), range(len(at.checkpoints) - 1)
        kept = [at.weights(checkpoint, [model]) for checkpoint in range(len(at.checkpoints))]
        whole = [at.answers(weights) for weights in kept]
        base = whole[-1]
        size = (len(layers), len(kept), at.examples)
        wrong, permuted = np.zeros(size, np.int32), np.zeros(size, np.float32)  # at the last one nothing is rewound
        aside = np.full(size[:2], np.nan, np.float32)
        for row, (layer, names) in enumerate(layers.items()):
            number = list(at.layers()).index(layer)
            damaged = (
                _permuted(at, kept[-1], kept[checkpoint], names, at.rng(model, checkpoint, number, draw))
                for checkpoint in before
                for draw in range(self.permutations)
            )
            lost = _lost(at.asked, kept[-1], names, chain(_rewound(kept, names), damaged))
            wrong[row] = lost[: len(kept)]
            permuted[row, :-1] = lost[len(kept) :].reshape(len(before), self.permutations, -1).mean(1)
            if at.heldout is not None:
                aside[row] = _share_lost(at.heldout, kept[-1], names, _rewound(kept, names))
        columns = {
            "wrong": wrong,
            "wrong_permuted": permuted,
            "right": _by_example(base.correct[0], base.example, at.examples),
            "fitted": np.stack([_by_example(one.correct[0], one.example, at.examples) for one in whole]),
            "predictions": np.bincount(base.example, minlength=at.examples).astype(np.int32),
            "confidence": _confidence(at, base),
            "wrong_heldout": aside,
            "loss_aside": np.array([_loss_aside(at, model, *one) for one in zip(kept, whole, strict=True)], np.float32),
            "epochs": np.array(at.checkpoints, np.int64),
        }
        return Shard(kind=REWINDING, model=model, columns=columns, coordinates={LAYER: [*layers]})


def _confidence(at: History, base: Answers) -> Float[np.ndarray, " example"]:
    if at.asked.of_text:
        return np.bincount(base.example, base.log_probability[0], at.examples).astype(np.float32)
    made = np.full(at.examples, np.nan, np.float32)
    made[base.example] = base.margin[0]
    return made


def _loss_aside(at: History, model: int, weights: Weights, answers: Answers) -> float:
    """The mean loss of the network on what it is not trained on; nan where there is nothing of the kind."""
    if at.heldout is not None:
        return float(-at.heldout.answers(weights, np.arange(at.heldout.count)).log_probability.mean())
    aside = (at.member_of(model) == 0)[answers.example]
    return float(-answers.log_probability[0, aside].mean()) if aside.any() else float("nan")


def _share_lost(
    asked: Asked, final: dict[str, Tensor], names: tuple[str, ...], cells: Iterable[dict[str, Tensor]]
) -> Float[np.ndarray, " cell"]:
    right = int(asked.answers(final, np.arange(asked.count)).correct.sum())
    lost = _lost(asked, final, names, cells).sum(1)
    return (lost / right if right else np.full(len(lost), np.nan)).astype(np.float32)


def _by_example(counted: np.ndarray, example: np.ndarray, examples: int) -> np.ndarray:
    return np.bincount(example[counted], minlength=examples).astype(np.int32)


def _rewound(kept: list[dict[str, Tensor]], names: tuple[str, ...]) -> Iterator[dict[str, Tensor]]:
    """The layer at each checkpoint, the last one included."""
    for weights in kept:
        yield {name: weights[name][0] for name in names}


def _permuted(
    at: History, final: dict[str, Tensor], before: dict[str, Tensor], names: tuple[str, ...], rng: np.random.Generator
) -> dict[str, Tensor]:
    """The layer with the entries of each weight's change permuted; tied weights alike, running statistics rewound."""
    made: dict[str, Tensor] = {}
    seeds: dict[str, Tensor] = {}
    for name in names:
        change = before[name][0] - final[name][0]
        if name not in at.parameters:
            made[name] = before[name][0]
            continue
        shared = next((other for other in seeds if torch.equal(final[other], final[name])), name)
        order = seeds.setdefault(shared, torch.from_numpy(rng.permutation(change.numel())))
        made[name] = final[name][0] + change.flatten()[order].reshape(change.shape)
    return made


def _lost(
    asked: Asked, final: dict[str, Tensor], names: tuple[str, ...], cells: Iterable[dict[str, Tensor]]
) -> Int32[np.ndarray, "cell example"]:
    """Predictions that the final network gets right and the cell does not.

    The final network answers among the cells, so that rounding is the same for all.
    """
    found, rows, left = [], np.arange(asked.count), iter(cells)
    while some := list(islice(left, room(names, final) - 1)):
        own = {name: torch.cat([final[name], *(cell[name][None] for cell in some)]) for name in names}
        answers = asked.answers({**final, **own}, rows)
        for correct in answers.correct[1:]:
            found.append(_by_example(answers.correct[0] & ~correct, answers.example, asked.count))
    return np.stack(found)
