"""Asymmetric label noise: each class is mistaken for the one it is most easily mistaken for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from jaxtyping import Int
from scipy.spatial.distance import cdist

from byrote.changes.data._planting import check_rate, chosen, names_of, planned_count, relabelled, untouched
from byrote.data.blocks import mean_of_rows
from byrote.data.controls import LABEL_NOISE, HasRng, planted
from byrote.data.dataset import Dataset
from byrote.data.mapped import taken
from byrote.errors import BadInput


@dataclass(frozen=True)
class AsymmetricLabelNoise:
    """Give `amount` of the examples the label that their own is mistaken for; controls are left alone.

    `mapping` names the other class by class name, and only its classes get noise; without it every class is
    mistaken for the class whose mean input is nearest.
    """

    stage: ClassVar[str] = "dataset"
    name: ClassVar[str] = "asymmetric-label-noise"
    plants: ClassVar[bool] = True

    amount: float
    mapping: Mapping[str, str] | None = field(default=None, hash=False)

    def __post_init__(self) -> None:
        check_rate(self.amount, caller=self.name)

    def apply(self, dataset: Dataset, context: HasRng) -> Dataset:
        """The dataset with the noise planted, and the true class names remembered.

        Raises:
            BadInput: that is no example, or more than are candidates, or the mapping names no class.
        """
        count = planned_count(dataset, self.amount, caller=self.name)
        other = nearest_class(dataset) if self.mapping is None else _mapped(dataset, self.mapping)
        free = untouched(dataset)
        positions = chosen(free[other[dataset.targets[free]] >= 0], count, caller=self.name, rng=context.rng)
        old = dataset.targets[positions]
        controls = planted(LABEL_NOISE, dataset.ids[positions], names_of(dataset, old))
        return relabelled(dataset, positions, other[old], controls)


def nearest_class(dataset: Dataset) -> Int[np.ndarray, " class"]:
    """For each class the one, never itself, whose mean input is nearest; -1 for a class without examples."""
    present = np.unique(dataset.targets)
    means = np.stack(
        [mean_of_rows(taken(dataset.inputs, np.flatnonzero(dataset.targets == label))).ravel() for label in present]
    )
    distance = cdist(means, means)
    np.fill_diagonal(distance, np.inf)
    nearest = np.full(dataset.classes, -1, np.int64)
    if len(present) > 1:
        nearest[present] = present[distance.argmin(axis=1)]
    return nearest


def _mapped(dataset: Dataset, mapping: Mapping[str, str]) -> Int[np.ndarray, " class"]:
    index = {name: label for label, name in enumerate(dataset.class_names)}
    other = np.full(dataset.classes, -1, np.int64)
    for source, target in mapping.items():
        for name in (source, target):
            if name not in index:
                message = f"The 'mapping' argument of asymmetric-label-noise must name classes. Got {name!r}."
                raise BadInput(message, hint=f"the classes are {', '.join(sorted(index))}.")
        if source == target:
            raise BadInput(
                f"The 'mapping' argument of asymmetric-label-noise must change labels. Got {source!r} twice.",
                hint="name a class and another that it is called by mistake, or leave the class out.",
            )
        other[index[source]] = index[target]
    return other
