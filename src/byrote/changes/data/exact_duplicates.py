"""Exact duplicates: the same example once more, under another id."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from byrote.changes.data._planting import appended, check_rate, chosen, fresh_ids, planned_count, untouched
from byrote.data.controls import EXACT_DUPLICATE, HasRng, planted
from byrote.data.dataset import Dataset


@dataclass(frozen=True)
class ExactDuplicates:
    """Append copies of `amount` of the examples, labels and groups included; the copies are controls."""

    stage: ClassVar[str] = "dataset"
    name: ClassVar[str] = "exact-duplicates"
    any_target: ClassVar[bool] = True
    plants: ClassVar[bool] = True

    amount: float

    def __post_init__(self) -> None:
        check_rate(self.amount, caller=self.name)

    def apply(self, dataset: Dataset, context: HasRng) -> Dataset:
        """The dataset with the copies at its end, and the ids they copy remembered.

        Raises:
            BadInput: that is no example at all, or more than are free of controls.
        """
        count = planned_count(dataset, self.amount, caller=self.name)
        positions = chosen(untouched(dataset), count, caller=self.name, rng=context.rng)
        originals = dataset.ids[positions]
        ids = fresh_ids([f"copy-of-{original}" for original in originals], dataset.ids)
        return appended(
            dataset,
            inputs=dataset.inputs[positions],
            targets=dataset.targets[positions],
            ids=ids,
            groups=None if dataset.groups is None else dataset.groups[positions],
            controls=planted(EXACT_DUPLICATE, ids, originals),
        )
