"""Out of distribution: examples whose every feature is plausible and whose whole is not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from byrote.changes.data._planting import appended, check_rate, fresh_ids, planned_count
from byrote.data.controls import OUT_OF_DISTRIBUTION, HasRng, planted
from byrote.data.dataset import Dataset


@dataclass(frozen=True)
class OutOfDistribution:
    """Append `amount` × n examples with random labels, each feature taken from another random example.

    So the distribution of each feature is kept and everything between features is destroyed. Each new
    example is a group by itself.
    """

    stage: ClassVar[str] = "dataset"
    name: ClassVar[str] = "out-of-distribution"
    plants: ClassVar[bool] = True

    amount: float

    def __post_init__(self) -> None:
        check_rate(self.amount, caller=self.name)

    def apply(self, dataset: Dataset, context: HasRng) -> Dataset:
        """The dataset with the new examples at its end.

        Raises:
            BadInput: that is no example at all.
        """
        count = planned_count(dataset, self.amount, caller=self.name)
        ids = fresh_ids([f"ood-{number:04d}" for number in range(count)], dataset.ids)
        return appended(
            dataset,
            inputs=np.stack([from_marginals(dataset.inputs, rng=context.rng) for _ in range(count)]),
            targets=context.rng.integers(0, dataset.classes, size=count),
            ids=ids,
            groups=None if dataset.groups is None else ids,
            controls=planted(OUT_OF_DISTRIBUTION, ids, [""] * count),
        )


def from_marginals(inputs: Float[np.ndarray, "example ..."], *, rng: np.random.Generator) -> Float[np.ndarray, "..."]:
    """One example whose features are drawn independently, each from its own marginal distribution."""
    shape = inputs.shape[1:]
    drawn = rng.integers(0, len(inputs), size=shape)
    return np.asarray(inputs[(drawn, *np.indices(shape, sparse=True))])
