"""Rewinding: what of what a model finally gets right it loses when one layer goes back to an earlier checkpoint."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
import torch
from torch import Tensor

from byrote.axes import CHECKPOINT, EXAMPLE, LAYER, MODEL
from byrote.errors import BadInput
from byrote.evidence.kind import CLASSES, LABELS, TEXT, Kind, Quantity
from byrote.probes.contract import Probe, Shard, When
from byrote.probes.history import History
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
        "margin": Quantity((MODEL, EXAMPLE), "float32", "logit", "their mean margin in it; nan where there are none"),
        "epochs": Quantity((CHECKPOINT,), "int64", "epoch", "epochs done at each checkpoint"),
    },
    coordinates={LAYER: "the layers that are rewound, in the order of the network"},
    tasks=frozenset({CLASSES, LABELS, TEXT}),
    sampled=True,
    recorded_by="audit into another folder with --keep-weights-at checkpoints, then `byrote probe RUN rewinding`",
)


@probe
@dataclass
class RewindingProbe(Probe):
    """Every layer, at every checkpoint that was kept, in every model whose weights were.

    Weights and running statistics are rewound. The null is the same change of each weight tensor with its entries
    permuted: of equal size, and without what was learned. Maini et al. 2023 (arXiv:2307.09542), whose own code leaves
    running statistics as they are.

    Differs: an example of a language model is a document, and its predictions are those of its scored tokens.
    """

    permutations: int = 4

    name: ClassVar[str] = "rewinding"
    when: ClassVar[frozenset[When]] = frozenset({"after"})
    kinds = (REWINDING,)

    def __post_init__(self) -> None:
        if self.permutations < 1:
            raise BadInput(
                f"The 'permutations' setting of rewinding must be at least 1. Got {self.permutations}.",
                hint="rewinding,permutations=4",
            )
        self.found: list[Shard] = []

    def look(self, at: History) -> None:
        """Rewind one model after another."""
        if len(at.checkpoints) < 2:
            raise BadInput(
                "Rewinding needs weights at two checkpoints at least, and one was kept.",
                hint="audit into another folder with --keep-weights-at checkpoints.",
            )
        self.found = [self._of_model(at, model) for model in at.models]

    def shards(self) -> Iterator[Shard]:
        """One shard a model."""
        yield from self.found

    def _of_model(self, at: History, model: int) -> Shard:
        layers, last = at.layers(), len(at.checkpoints) - 1
        final = at.weights(last, [model])
        base = at.answers(final)
        right = _by_example(base.correct[0], base.example, at.examples)
        size = (len(layers), len(at.checkpoints), at.examples)
        wrong, permuted = np.zeros(size, np.int32), np.zeros(size, np.float32)
        for checkpoint in range(last):  # at the last one nothing is rewound
            before = at.weights(checkpoint, [model])
            for row, names in enumerate(layers.values()):
                rng = at.rng(model, checkpoint, row)
                cells = [_rewound(before, names)]
                cells += [_permuted(at, final, before, names, rng) for _ in range(self.permutations)]
                lost = _lost(at, final, names, cells)
                wrong[row, checkpoint] = lost[0]
                permuted[row, checkpoint] = lost[1:].mean(0)
        total = np.bincount(base.example, np.where(base.correct[0], base.margin[0], 0.0), at.examples)
        with np.errstate(invalid="ignore"):
            margin = (total / right).astype(np.float32)
        columns = {
            "wrong": wrong,
            "wrong_permuted": permuted,
            "right": right,
            "margin": margin,
            "epochs": np.array(at.checkpoints, np.int64),
        }
        return Shard(kind=REWINDING, model=model, columns=columns, coordinates={LAYER: [*layers]})


def _by_example(counted: np.ndarray, example: np.ndarray, examples: int) -> np.ndarray:
    return np.bincount(example[counted], minlength=examples).astype(np.int32)


def _rewound(before: dict[str, Tensor], names: tuple[str, ...]) -> dict[str, Tensor]:
    return {name: before[name][0] for name in names}


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


def _lost(at: History, final: dict[str, Tensor], names: tuple[str, ...], cells: list[dict[str, Tensor]]) -> np.ndarray:
    """`[cell, example]`: predictions that the final network gets right and the cell does not.

    The final network answers among the cells, so that rounding is the same for all.
    """
    found = []
    size = at.room(names, final) - 1
    for start in range(0, len(cells), size):
        some = cells[start : start + size]
        own = {name: torch.cat([final[name], *(cell[name][None] for cell in some)]) for name in names}
        answers = at.answers({**final, **own})
        for correct in answers.correct[1:]:
            found.append(_by_example(answers.correct[0] & ~correct, answers.example, at.examples))
    return np.stack(found)
