"""Conflicting duplicates: the same example once more, slightly disturbed, with another label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from byrote.changes.data._planting import appended, check_rate, chosen, fresh_ids, planned_count, untouched
from byrote.changes.data.near_duplicates import disturbed
from byrote.data.controls import CONFLICTING_DUPLICATE, HasRng, planted
from byrote.data.dataset import Dataset


@dataclass(frozen=True)
class ConflictingDuplicates:
    """Append disturbed copies of `amount` of the examples under a label drawn from all other classes alike.

    The copies are controls; they are disturbed as near duplicates are, so that a network can fit both labels.
    """

    stage: ClassVar[str] = "dataset"
    name: ClassVar[str] = "conflicting-duplicates"
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
        turned = context.rng.integers(1, dataset.classes, size=count)
        originals = dataset.ids[positions]
        ids = fresh_ids([f"conflicting-copy-of-{original}" for original in originals], dataset.ids)
        return appended(
            dataset,
            inputs=disturbed(dataset, positions, context.rng),
            targets=(dataset.targets[positions] + turned) % dataset.classes,
            ids=ids,
            groups=None if dataset.groups is None else dataset.groups[positions],
            controls=planted(CONFLICTING_DUPLICATE, ids, originals),
        )
