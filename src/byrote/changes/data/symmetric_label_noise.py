"""Symmetric label noise: a wrong label, any of the other classes alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from byrote.changes.data._planting import check_rate, chosen, names_of, planned_count, relabelled, untouched
from byrote.data.controls import LABEL_NOISE, HasRng, planted
from byrote.data.dataset import Dataset


@dataclass(frozen=True)
class SymmetricLabelNoise:
    """Give `amount` of the examples a label drawn from all other classes alike; controls are left alone."""

    stage: ClassVar[str] = "dataset"
    name: ClassVar[str] = "label-noise"
    plants: ClassVar[bool] = True

    amount: float

    def __post_init__(self) -> None:
        check_rate(self.amount, caller=self.name)

    def apply(self, dataset: Dataset, context: HasRng) -> Dataset:
        """The dataset with the noise planted, and the true class names remembered.

        Raises:
            BadInput: that is no example at all, or more than are free of controls.
        """
        count = planned_count(dataset, self.amount, caller=self.name)
        positions = chosen(untouched(dataset), count, caller=self.name, rng=context.rng)
        old = dataset.targets[positions]
        new = (old + context.rng.integers(1, dataset.classes, size=count)) % dataset.classes
        controls = planted(LABEL_NOISE, dataset.ids[positions], names_of(dataset, old))
        return relabelled(dataset, positions, new, controls)
