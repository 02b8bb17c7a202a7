"""Paths across runs: whether the units that carry an example in one network carry it in another one, too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from byrote.axes import EXAMPLE, LAYER, MODEL
from byrote.errors import BadInput
from byrote.evidence.kind import CLASSES, Kind, Quantity
from byrote.probes.contract import Probe, Shard, When
from byrote.probes.gated import gated_of
from byrote.probes.history import AskedExamples, History
from byrote.probes.registry import probe

#: The figures of each example.
FIGURES: Final = ("overlap", "lost")
#: The units in the other network to compare with: the example's own, another example's, those of one with its label.
WHOSE: Final = ("own", "other", "same_label")
_WORDS = {
    "own": "its own units there",
    "other": "another example's units there, drawn at random",
    "same_label": "the units there of another example of the same given label",
}
_EXAMPLES = (MODEL, EXAMPLE)

UNIT_PATHS: Final = Kind(
    name="unit_paths",
    says="whether the units that carry an example in a network, matched with another network's, carry it there",
    quantities={
        **{
            f"overlap_{whose}": Quantity(
                _EXAMPLES, "float32", "", f"its units in common with {_WORDS[whose]}; mean over the other networks"
            )
            for whose in WHOSE
        },
        **{
            f"lost_{whose}": Quantity(
                _EXAMPLES,
                "float32",
                "share of networks",
                f"lost when {_WORDS[whose]} are silenced here, matched; mean over the other networks",
            )
            for whose in WHOSE
        },
        "networks": Quantity(_EXAMPLES, "int32", "", "other networks with which the example is compared"),
        "alike": Quantity((MODEL, LAYER), "float32", "", "mean correlation of matched units, over the other networks"),
    },
    coordinates={LAYER: "the layers whose units are matched, in the order in which the network calls them"},
    tasks=frozenset({CLASSES}),
    sampled=True,
    recorded_by="audit into another folder with --keep-weights-at last, then `byrote probe RUN unit_paths`",
)


@dataclass(frozen=True, eq=False)
class Carried:
    """How one network carries the examples: `top[example, unit]` are the units that carry each of them.

    `seen` holds by layer the activation `[held-out example, unit]` of each unit, by which units are matched.
    """

    top: Bool[np.ndarray, "example unit"]
    seen: list[Float[np.ndarray, "shown unit"]]
    fitted: Bool[np.ndarray, " example"]


@probe
@dataclass
class UnitPathsProbe(Probe):
    """Compare every model whose weights were kept with every other one, except the other model of its pair.

    A unit is an entry of a layer's output; for images a channel, by its mean over positions. The units that carry an
    example are the `top` ones by -dl/dc, the fall of its loss with the unit's gate. Units of two networks are matched
    layer by layer, one to one, by the largest sum of correlations over held-out inputs. Only examples that both
    networks were trained on and predict are compared. `draws` is the number of other examples in each of the two nulls.

    Source: the question is after Maini et al. 2023, arXiv:2307.09542, section 5; matching by Li et al. 2016,
    arXiv:1511.07543.
    """

    top: int = 10
    draws: int = 4

    name: ClassVar[str] = "unit_paths"
    when: ClassVar[frozenset[When]] = frozenset({"after"})
    kinds = (UNIT_PATHS,)

    def __post_init__(self) -> None:
        for name, value, usual in (("top", self.top, 10), ("draws", self.draws, 4)):
            if value < 1:
                raise BadInput(
                    f"The {name!r} setting of unit_paths must be at least 1. Got {value}.",
                    hint=f"unit_paths,{name}={usual}",
                )
        self.found: list[Shard] = []

    def look(self, at: History) -> None:
        """Read all networks, and compare each with each."""
        mates = (at.pair[:, None] == at.pair) & (at.pair >= 0)[:, None]
        beside = ~mates & ~np.eye(len(at.models), dtype=bool)
        if not beside.any():
            raise BadInput(
                "unit_paths needs the weights of two models that are not a pair, and the run kept no such weights.",
                hint="audit into another folder with at least 4 models and --keep-weights-at last.",
            )
        shown = self._shown(at)
        carried = [self._carried(at, row, shown) for row in range(len(at.models))]
        self.found = [self._of_model(at, row, carried, np.flatnonzero(beside[row])) for row in range(len(at.models))]

    def shards(self) -> Iterator[Shard]:
        """One shard per model."""
        yield from self.found

    @staticmethod
    def _shown(at: History) -> Tensor:
        """Inputs that no model was trained on, or else all of them."""
        asked = at.heldout if at.heldout is not None else at.asked
        assert isinstance(asked, AskedExamples), "it is for classes"
        return asked.inputs[:2000]

    def _carried(self, at: History, row: int, shown: Tensor) -> Carried:
        gated, asked, _ = gated_of(at, at.models[row], self.name)
        base = at.answers(at.weights(len(at.checkpoints) - 1, [at.models[row]]))
        return Carried(
            top=largest(gated.slopes(asked.inputs, asked.targets), self.top),
            seen=gated.activations(shown),
            fitted=base.correct[0] & (at.member[row] == 1),
        )

    def _of_model(self, at: History, row: int, carried: list[Carried], others: np.ndarray) -> Shard:
        gated, asked, layers = gated_of(at, at.models[row], self.name)
        mine, total = carried[row], {f"{what}_{whose}": np.zeros(at.examples) for what in FIGURES for whose in WHOSE}
        networks, alike = np.zeros(at.examples, np.int32), []
        for other in others:
            match, correlation = matched(mine.seen, carried[other].seen)
            alike.append(correlation)
            there = carried[other].top[:, match]  # the other's units, in the order of this network's
            rows = np.flatnonzero(mine.fitted & carried[other].fitted)
            networks[rows] += 1
            rng = at.rng(12, at.models[row], at.models[other])
            for whose, draws in _compared(rows, asked.targets.numpy(), rng, self.draws).items():
                for drawn in draws:
                    units = there[drawn]
                    total[f"overlap_{whose}"][rows] += in_common(mine.top[rows], units) / len(draws)
                    lost = gated.lost_without(asked.inputs[rows], asked.targets[rows], units)
                    total[f"lost_{whose}"][rows] += lost / len(draws)
        mean = {
            name: np.divide(of, networks, out=np.full(len(of), np.nan), where=networks > 0).astype(np.float32)
            for name, of in total.items()
        }
        columns = {**mean, "networks": networks, "alike": np.mean(alike, axis=0).astype(np.float32)}
        return Shard(kind=UNIT_PATHS, model=at.models[row], columns=columns, coordinates={LAYER: layers})


def _compared(
    rows: Int[np.ndarray, " compared"], label: np.ndarray, rng: np.random.Generator, draws: int
) -> dict[str, list[np.ndarray]]:
    """The examples whose units each of these is compared with: itself, others at random, and others of its label.

    The only example of a label is compared with itself, which makes the null too large, never too small.
    """
    own = label[rows]
    return {
        "own": [rows],
        "other": [rows[another(np.zeros(len(rows), np.int64), rng)] for _ in range(draws)],
        "same_label": [rows[another(own, rng)] for _ in range(draws)],
    }


def another(group: Int[np.ndarray, " example"], rng: np.random.Generator) -> Int[np.ndarray, " example"]:
    """For each example another one of its group, at random; itself where it is alone.

    Example:
        >>> another(np.array([5, 8, 5]), np.random.default_rng(0)).tolist()
        [2, 1, 0]
    """
    made = np.arange(len(group))
    for one in np.unique(group):
        here = rng.permutation(np.flatnonzero(group == one))
        made[here] = np.roll(here, 1)
    return made


def largest(slopes: Float[np.ndarray, "example unit"], top: int) -> Bool[np.ndarray, "example unit"]:
    """The `top` units of each example with the largest -dl/dc; only units that lower its loss count.

    Example:
        >>> largest(np.array([[-1.0, 2.0, -3.0, 0.0]]), 3).astype(int).tolist()
        [[1, 0, 1, 0]]
    """
    made = np.zeros(slopes.shape, bool)
    chosen = np.argsort(slopes, axis=1, kind="stable")[:, :top]
    np.put_along_axis(made, chosen, np.take_along_axis(slopes, chosen, 1) < 0, 1)
    return made


def matched(
    here: list[Float[np.ndarray, "shown unit"]], there: list[Float[np.ndarray, "shown unit"]]
) -> tuple[Int[np.ndarray, " unit"], Float[np.ndarray, " layer"]]:
    """For each unit of a network the matching unit of the other, and the mean correlation of matched units by layer.

    The match is one to one within a layer, and has the largest sum of correlations; units that never vary correlate
    with nothing. The mean correlation is over units that vary in both.
    """
    match, alike, start = [], [], 0
    for mine, theirs in zip(here, there, strict=True):
        correlation = _standard(mine).T @ _standard(theirs)
        row, column = linear_sum_assignment(-correlation)
        match.append(start + column[np.argsort(row)])
        found = correlation[row, column]
        vary = (mine.std(0)[row] > 0) & (theirs.std(0)[column] > 0)
        alike.append(float(found[vary].mean()) if vary.any() else float("nan"))
        start += mine.shape[1]
    return np.concatenate(match), np.array(alike)


def _standard(values: Float[np.ndarray, "shown unit"]) -> Float[np.ndarray, "shown unit"]:
    centred = values - values.mean(0)
    norm = np.linalg.norm(centred, axis=0)
    return np.asarray(np.divide(centred, norm, out=np.zeros_like(centred), where=norm > 1e-9))


def in_common(
    mine: Bool[np.ndarray, "example unit"], theirs: Bool[np.ndarray, "example unit"]
) -> Float[np.ndarray, " example"]:
    """Intersection over union of two sets of units; 0 of two empty ones.

    Example:
        >>> in_common(np.array([[True, True, False]]), np.array([[False, True, True]])).round(3).tolist()
        [0.333]
    """
    both, either = (mine & theirs).sum(1), (mine | theirs).sum(1)
    return np.asarray(np.divide(both, either, out=np.zeros(len(mine)), where=either > 0))
