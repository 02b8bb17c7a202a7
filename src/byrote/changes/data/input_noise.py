"""Input noise: each chosen example is mixed with noise of its own, the same in every epoch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from byrote.changes.data._planting import check_rate, chosen, planned_count, untouched
from byrote.changes.data._stamping import matched_noise
from byrote.data.controls import INPUT_NOISE, HasRng, planted
from byrote.data.dataset import Dataset
from byrote.data.mapped import copied
from byrote.errors import BadInput


@dataclass(frozen=True)
class InputNoise:
    """Mix the inputs of `amount` of the examples with a share of Gaussian noise; labels stay.

    The noise of an example is drawn once, so that it can be memorized; `fresh-noise` draws it anew at every step.

    Formula:
        x <- (1 - share) x + share z, z of the mean and the standard deviation of each feature; of pictures, of all
        pixels
    """

    stage: ClassVar[str] = "dataset"
    name: ClassVar[str] = "input-noise"
    any_target: ClassVar[bool] = True
    plants: ClassVar[bool] = True

    amount: float
    share: float = 0.5

    def __post_init__(self) -> None:
        check_rate(self.amount, caller=self.name)
        if not 0 < self.share <= 1:
            raise BadInput(
                f"The 'share' argument of {self.name}, that of the noise, must lie in (0, 1]. Got {self.share}.",
                hint="share=0.5 is as much noise as input.",
            )

    def apply(self, dataset: Dataset, context: HasRng) -> Dataset:
        """The dataset with the noise in it.

        Raises:
            BadInput: that is no example at all, or more than are free of controls.
        """
        count = planned_count(dataset, self.amount, caller=self.name)
        rows = chosen(untouched(dataset), count, caller=self.name, rng=context.rng)
        inputs, noise = copied(dataset.inputs), matched_noise(dataset, count, context.rng)
        inputs[rows] = (1 - self.share) * inputs[rows] + self.share * noise
        ids = dataset.ids[rows]
        return dataset.replace(inputs=inputs, controls=dataset.controls.merged(planted(INPUT_NOISE, ids, ids)))
