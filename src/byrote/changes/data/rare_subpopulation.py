"""Rare subpopulation: a few examples of one class that look different from the rest, and alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from byrote.changes.data._planting import check_rate, chosen, planned_count, untouched
from byrote.data.blocks import mean_of_rows
from byrote.data.controls import RARE_SUBPOPULATION, HasRng, planted
from byrote.data.dataset import Dataset
from byrote.data.mapped import copied
from byrote.errors import BadInput


@dataclass(frozen=True)
class RareSubpopulation:
    """Transform `amount` × n examples, all of one random class, in place; their labels stay true.

    Images get inverted contrast, rows are reflected at the mean of each feature. Some of the class stays as
    it was.
    """

    stage: ClassVar[str] = "dataset"
    name: ClassVar[str] = "rare-subpopulation"
    plants: ClassVar[bool] = True

    amount: float

    def __post_init__(self) -> None:
        check_rate(self.amount, caller=self.name)

    def apply(self, dataset: Dataset, context: HasRng) -> Dataset:
        """The dataset with the subpopulation in it.

        Raises:
            BadInput: that is no example at all, or more than any class can give.
        """
        count = planned_count(dataset, self.amount, caller=self.name)
        free = untouched(dataset)
        free_by_class = np.bincount(dataset.targets[free], minlength=dataset.classes)
        size_by_class = np.bincount(dataset.targets, minlength=dataset.classes)
        able = np.flatnonzero((free_by_class >= count) & (size_by_class > count))
        if not len(able):
            most = int(np.minimum(free_by_class, np.maximum(size_by_class - 1, 0)).max())
            raise BadInput(
                f"{self.name} needs {count} examples of one class with others left over, "
                f"and no class of {dataset.name!r} can give more than {most}.",
                hint="use a smaller amount, or plant fewer other controls.",
            )
        label = context.rng.choice(able)
        positions = chosen(free[dataset.targets[free] == label], count, caller=self.name, rng=context.rng)
        inputs = copied(dataset.inputs)
        inputs[positions] = _transformed(dataset, inputs[positions])
        ids = dataset.ids[positions]
        controls = dataset.controls.merged(planted(RARE_SUBPOPULATION, ids, ids))
        return dataset.replace(inputs=inputs, controls=controls)


def _transformed(dataset: Dataset, examples: Float[np.ndarray, "chosen ..."]) -> Float[np.ndarray, "chosen ..."]:
    if dataset.holds_images:
        return np.asarray((dataset.inputs.max() + dataset.inputs.min()) - examples)
    return np.asarray(2 * mean_of_rows(dataset.inputs) - examples)
