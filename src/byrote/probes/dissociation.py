"""Dissociation: what a network loses with the units that hold a group, which were found on other examples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from byrote.axes import EXAMPLE, LAYER, MODEL
from byrote.data.controls import KINDS, LABEL_NOISE
from byrote.errors import BadInput, meant
from byrote.evidence.kind import CLASSES, Kind, Quantity
from byrote.probes.contract import LaterProbe, Shard
from byrote.probes.gated import Gated, gated_of
from byrote.probes.history import AskedExamples, History
from byrote.probes.registry import probe

#: Shares of the units that are silenced together, in per cent.
SHARES: Final = (1, 5)
#: The fewest members of the group, and others, in each half.
FEWEST: Final = 10
_EXAMPLES = (MODEL, EXAMPLE)
_SIZES = tuple(
    (share, what, words)
    for share in SHARES
    for what, words in (
        ("memory", "that the other half of the group needs most"),
        ("pattern", "that the other half of the others needs most"),
    )
)

DISSOCIATION: Final = Kind(
    name="dissociation",
    says="which final predictions are lost with hidden units that were chosen on the other half of the examples",
    quantities={
        **{
            f"{what}_{share}": Quantity(_EXAMPLES, "bool", "", f"lost with the {share} % of the units {words}")
            for share, what, words in _SIZES
        },
        **{
            f"random_{share}": Quantity(
                _EXAMPLES, "float32", "share of draws", f"lost with {share} % of the units, drawn at random"
            )
            for share in SHARES
        },
        "right": Quantity(_EXAMPLES, "bool", "", "the final network predicts it"),
        "confidence": Quantity(_EXAMPLES, "float32", "logit", "the final margin"),
        "group": Quantity(_EXAMPLES, "bool", "", "it is of the group, and the model was trained on it"),
        "memory_units": Quantity((MODEL, LAYER), "int32", "unit", "memory units of both halves by layer"),
        "units": Quantity((MODEL, LAYER), "int32", "unit", "all units by layer"),
    },
    coordinates={LAYER: "the layers whose units are silenced, in the order in which the network calls them"},
    tasks=frozenset({CLASSES}),
    sampled=True,
    recorded_by="audit into another folder with --keep-weights-at last, then `byrote probe RUN dissociation`",
)


@probe
@dataclass
class DissociationProbe(LaterProbe):
    """Every model whose weights were kept, twice: units are chosen on one half, and the other half is judged.

    A unit is an entry of what a layer hands to the next one; of images a channel. For each unit alone the rise of the
    mean loss is computed, of the group's members A and of other members B. Memory units are the top of
    A / sd(A) - B / sd(B), sd over units, and pattern units the bottom of it. Random units are drawn `draws` times.
    `group` is a kind of planted control.

    Source: units are silenced after Maini et al. 2023, arXiv:2307.09542; judging on other examples is byrote's own.
    """

    group: str = LABEL_NOISE
    draws: int = 20

    name: ClassVar[str] = "dissociation"
    kinds = (DISSOCIATION,)

    def __post_init__(self) -> None:
        if self.draws < 1:
            raise BadInput(
                f"The 'draws' setting of dissociation must be at least 1. Got {self.draws}.",
                hint="dissociation,draws=20",
            )
        if self.group not in KINDS:
            raise BadInput(
                f"The 'group' setting of dissociation must be a kind of control. Got {self.group!r}.",
                hint=f"{meant(self.group, KINDS)}the kinds are {', '.join(KINDS)}.",
            )

    def read(self, at: History, model: int) -> Shard:
        """What is lost with units that were chosen on the other half of the examples."""
        trained = at.member_of(model) == 1
        group, others = trained & at.groups[self.group], trained & ~at.groups[self.group]
        halves = _halves(group, others, at.rng(10, model))
        fewest = min(int((one & half).sum()) for one in (group, others) for half in halves)
        if fewest < FEWEST:
            raise BadInput(
                f"Model {model} was trained on {int(group.sum())} examples of the group {self.group!r}, and "
                f"{2 * FEWEST} are needed, beside as many others.",
                hint="audit with more planted, as `--plant label-noise=0.1` of 400 examples or more.",
            )
        base = at.answers(at.weights(len(at.checkpoints) - 1, [model]))
        gated, asked, layers = gated_of(at, model, self.name)
        columns: dict[str, np.ndarray] = {
            "right": base.correct[0],
            "confidence": base.margin[0].astype(np.float32),
            "group": group,
            "memory_units": np.zeros(len(layers), np.int32),
            "units": np.array(gated.sizes, np.int32),
        }
        for found_on, judged in (halves, halves[::-1]):
            order = _order(gated, asked.inputs, asked.targets, np.stack([group & found_on, others & found_on]))
            for share in SHARES:
                count = max(1, round(len(order) * share / 100))
                chosen = {"memory": order[:count], "pattern": order[-count:]}
                lost = {what: _lost(gated, asked, judged & base.correct[0], units) for what, units in chosen.items()}
                rng = at.rng(11, model, share)
                random = [rng.permutation(len(order))[:count] for _ in range(self.draws)]
                each = [_lost(gated, asked, judged & base.correct[0], units) for units in random]
                lost["random"] = np.asarray(np.mean(each, axis=0), np.float32)
                for what, of in lost.items():
                    columns[f"{what}_{share}"] = columns.get(f"{what}_{share}", np.zeros_like(of)) + of
            columns["memory_units"] += gated.layers_of(chosen["memory"])
        return Shard(kind=DISSOCIATION, model=model, columns=columns, coordinates={LAYER: layers})


def _halves(
    group: Bool[np.ndarray, " example"], others: Bool[np.ndarray, " example"], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The examples in two halves at random, the group and the others too."""
    first = np.zeros(len(group), bool)
    for rows in (group, others, ~group & ~others):
        chosen = rng.permutation(np.flatnonzero(rows))
        first[chosen[: len(chosen) // 2]] = True
    return first, ~first


def _order(
    gated: Gated, inputs: torch.Tensor, targets: torch.Tensor, groups: Bool[np.ndarray, "two example"]
) -> Int[np.ndarray, " unit"]:
    """The units, those first whose silencing raises the loss of the first group most, beside that of the second."""
    rows = np.flatnonzero(groups.any(0))
    chosen = torch.from_numpy(rows)
    changes = gated.loss_changes(inputs[chosen], targets[chosen], torch.from_numpy(groups[:, rows]).float())
    return np.argsort(-preference(changes), kind="stable")


def preference(changes: Float[np.ndarray, "two unit"]) -> Float[np.ndarray, " unit"]:
    """A / sd(A) - B / sd(B) of the changes A and B of the loss; a group that no unit changes counts as 0.

    Example:
        >>> preference(np.array([[0.0, 2.0], [3.0, 1.0]])).tolist()
        [-3.0, 1.0]
    """
    spread = changes.std(1, keepdims=True)
    scaled = np.divide(changes, spread, out=np.zeros_like(changes), where=spread > 0)
    return np.asarray(scaled[0] - scaled[1])


def _lost(gated: Gated, asked: AskedExamples, rows: np.ndarray, units: np.ndarray) -> Bool[np.ndarray, " example"]:
    """Which of these examples are no longer predicted without these units."""
    lost = np.zeros(len(rows), bool)
    chosen = torch.from_numpy(np.flatnonzero(rows))
    lost[rows] = ~gated.right_without(asked.inputs[chosen], asked.targets[chosen], units)
    return lost
