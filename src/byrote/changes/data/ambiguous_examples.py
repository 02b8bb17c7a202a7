"""Ambiguous examples: halfway between two classes, labelled as one of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from byrote.changes.data._planting import check_rate, chosen, names_of, planned_count, untouched
from byrote.data.controls import AMBIGUOUS, HasRng, planted
from byrote.data.dataset import Dataset
from byrote.data.mapped import copied
from byrote.errors import BadInput


@dataclass(frozen=True)
class AmbiguousExamples:
    """Replace `amount` of the examples by their mean with a random example of another class; labels stay."""

    stage: ClassVar[str] = "dataset"
    name: ClassVar[str] = "ambiguous-examples"
    plants: ClassVar[bool] = True

    amount: float

    def __post_init__(self) -> None:
        check_rate(self.amount, caller=self.name)

    def apply(self, dataset: Dataset, context: HasRng) -> Dataset:
        """The dataset with the mixtures in it, and the other class remembered.

        Raises:
            BadInput: that is no example at all, or more than are free of controls; or only one class has any.
        """
        count = planned_count(dataset, self.amount, caller=self.name)
        free = untouched(dataset)
        if len(np.unique(dataset.targets[free])) < 2:
            raise BadInput(
                f"{self.name} needs examples of two classes that are free of controls.",
                hint="plant fewer other controls, or take data of at least two classes.",
            )
        positions = chosen(free, count, caller=self.name, rng=context.rng)
        others = np.array(
            [context.rng.choice(free[dataset.targets[free] != dataset.targets[position]]) for position in positions]
        )
        inputs = copied(dataset.inputs)
        inputs[positions] = (dataset.inputs[positions] + dataset.inputs[others]) / 2
        controls = planted(AMBIGUOUS, dataset.ids[positions], names_of(dataset, dataset.targets[others]))
        return dataset.replace(inputs=inputs, controls=dataset.controls.merged(controls))
