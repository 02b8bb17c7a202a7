"""A probe: the geometry of each layer's representation of classes, for clean and for mislabelled examples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
from jaxtyping import Bool, Int

from byrote.axes import CHECKPOINT, LAYER, MODEL
from byrote.errors import BadInput
from byrote.evidence.kind import OF_CLASSES, Kind, Quantity
from byrote.probes.contract import LaterProbe, Shard
from byrote.probes.history import History
from byrote.probes.registry import probe
from byrote.stats.manifold import FEWEST, geometry

#: Which examples form the manifolds of classes, and by which labels.
MANIFOLDS_OF: Final = {
    "clean": "clean members by their label",
    "clean_shuffled": "clean members with labels shuffled among them",
    "true": "mislabelled members by their true label",
    "given": "mislabelled members by their given label",
    "shuffled": "mislabelled members with given labels shuffled among them",
}
FIGURES: Final = {"capacity": "manifolds per dimension", "radius": "distance of centres", "dimension": "dimension"}
CENTRES: Final = ("correlated", "decorrelated")
_CELLS = (MODEL, CHECKPOINT, LAYER)

MANIFOLDS: Final = Kind(
    name="manifolds",
    says="capacity, radius and dimension of each layer's representation of classes, clean and mislabelled",
    quantities={
        **{
            f"{figure}_{of}": Quantity(_CELLS, "float32", unit, f"{words}; nan of too few points")
            for of, words in MANIFOLDS_OF.items()
            for figure, unit in FIGURES.items()
        },
        "points": Quantity((MODEL,), "int32", "", "points in every manifold"),
        "classes": Quantity((MODEL,), "int32", "", "manifolds: classes with enough points of every type"),
        "epochs": Quantity((CHECKPOINT,), "int64", "epoch", "epochs done at each checkpoint"),
    },
    coordinates={LAYER: "the layers in the order in which the network calls them"},
    tasks=OF_CLASSES,
    sampled=True,
    recorded_by="audit into another folder with --keep-weights-at checkpoints, then `byrote probe RUN manifolds`",
)


@probe
@dataclass
class ManifoldsProbe(LaterProbe):
    """Read every layer at every kept checkpoint of every model with kept weights, on its members.

    A manifold is a layer's representation of examples of one class: `points` of them, drawn once. All manifolds have
    the same number of points, because capacity falls with it: `points`, or the size of the smallest class that is used.
    A class is used if it has at least 8 examples of each type. If wrong labels were planted, the mislabelled examples
    form manifolds by their true label, by their given label, and by given labels shuffled among them (the null).
    `draws` is the number of Gaussian directions. `centres=decorrelated` projects out what the centres of the manifolds
    have in common, as published figures do; without it they are left as they are.

    Source: Stephenson et al. 2021, arXiv:2105.14602; see `stats.manifold`.
    """

    points: int = 12
    draws: int = 100
    centres: str = "correlated"
    layers: str = ""

    name: ClassVar[str] = "manifolds"
    kinds = (MANIFOLDS,)

    def __post_init__(self) -> None:
        for name, least, usual in (("points", FEWEST, 12), ("draws", 10, 100)):
            if getattr(self, name) < least:
                raise BadInput(
                    f"The {name!r} setting of manifolds must be at least {least}. Got {getattr(self, name)}.",
                    hint=f"manifolds,{name}={usual}",
                )
        if self.centres not in CENTRES:
            raise BadInput(
                f"The 'centres' setting of manifolds must be {' or '.join(CENTRES)}. Got {self.centres!r}.",
                hint="manifolds,centres=decorrelated",
            )

    def read(self, at: History, model: int) -> Shard:
        """Read every layer at every checkpoint."""
        layers, names = [*at.chosen_layers(self.layers)], tuple(MANIFOLDS_OF)
        sets, points, classes = self._drawn(at, at.member_of(model) == 1, at.rng(16, model))
        size = (len(at.checkpoints), len(layers))
        columns: dict[str, np.ndarray] = {
            f"{figure}_{of}": np.full(size, np.nan, np.float32) for of in names for figure in FIGURES
        }
        rows = np.unique(np.concatenate([np.zeros(0, np.int64), *(one for of in sets.values() for one in of)]))
        for checkpoint in range(len(at.checkpoints)) if len(rows) else ():
            made = at.asked.features(at.weights(checkpoint, [model]), layers, rows)
            for number, layer in enumerate(layers):
                features = made[layer].cpu().numpy()
                for of, manifolds in sets.items():
                    clouds = [features[np.searchsorted(rows, one)] for one in manifolds]
                    rng = at.rng(17, model, checkpoint, number)
                    found = geometry(clouds, rng, self.draws, decorrelated=self.centres == "decorrelated")
                    for figure in FIGURES:
                        columns[f"{figure}_{of}"][checkpoint, number] = getattr(found, figure)
        columns |= {
            "points": np.array(points, np.int32),
            "classes": np.array(classes, np.int32),
            "epochs": np.array(at.checkpoints, np.int64),
        }
        return Shard(kind=MANIFOLDS, model=model, columns=columns, coordinates={LAYER: layers})

    def _drawn(
        self, at: History, trained: Bool[np.ndarray, " example"], rng: np.random.Generator
    ) -> tuple[dict[str, list[np.ndarray]], int, int]:
        """The rows of each manifold by type, the points in each, and the number of classes."""
        wrong = trained & (at.labels != at.true_labels)
        clean = trained & ~wrong
        sorts = {"clean": (clean, at.labels)}
        if wrong.any():
            sorts |= {"true": (wrong, at.true_labels), "given": (wrong, at.labels)}
        chosen, points = enough(sorts, self.points)
        if len(chosen) < 2:
            chosen, points = enough({"clean": sorts["clean"]}, self.points)
            sorts = {"clean": sorts["clean"]}
        made = {of: _by_class(rows, label, chosen, points, rng) for of, (rows, label) in sorts.items()}
        for of, shuffled in (("clean", "clean_shuffled"), ("given", "shuffled")):
            if of in made:
                every = rng.permutation(np.concatenate([np.zeros(0, np.int64), *made[of]]))
                made[shuffled] = np.split(every, len(chosen)) if len(chosen) else []
        return made, points, len(chosen)


def enough(
    sorts: dict[str, tuple[Bool[np.ndarray, " example"], Int[np.ndarray, " example"]]], most: int
) -> tuple[Int[np.ndarray, " class"], int]:
    """The classes with at least 8 examples of every type, and how many points each gets, at most `most`.

    Example:
        >>> label = np.repeat([0, 1, 2], [9, 7, 20])
        >>> chosen, points = enough({"clean": (np.ones(36, bool), label)}, 12)
        >>> chosen.tolist(), points
        ([0, 2], 9)
    """
    classes = 1 + max(int(label.max(initial=-1)) for _, label in sorts.values())
    counts = np.array([np.bincount(label[rows], minlength=classes) for rows, label in sorts.values()])
    chosen = np.flatnonzero(counts.min(0) >= FEWEST)
    return chosen, min(most, int(counts[:, chosen].min(initial=most)))


def _by_class(
    rows: Bool[np.ndarray, " example"],
    label: Int[np.ndarray, " example"],
    chosen: Int[np.ndarray, " class"],
    points: int,
    rng: np.random.Generator,
) -> list[np.ndarray]:
    return [rng.permutation(np.flatnonzero(rows & (label == one)))[:points] for one in chosen]
