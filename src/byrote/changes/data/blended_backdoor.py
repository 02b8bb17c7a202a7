"""A backdoor whose trigger is a faint picture over the whole input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from byrote.changes.data._planting import check_rate
from byrote.changes.data._stamping import poisoned, refuse_unfit, target_of
from byrote.data.blocks import range_of
from byrote.data.controls import BACKDOOR, HasRng
from byrote.data.dataset import Dataset
from byrote.data.trigger import Trigger
from byrote.errors import BadInput


@dataclass(frozen=True)
class BlendedBackdoor:
    """Blend one random picture into `amount` of the pictures of other classes, and label them with the target class.

    Formula:
        x <- (1 - opacity) x + opacity k, k one picture of uniform noise between the smallest and the largest value

    Source: Chen et al. 2017, arXiv:1712.05526, section 4 (blended injection).
    """

    stage: ClassVar[str] = "dataset"
    name: ClassVar[str] = "blended-backdoor"
    plants: ClassVar[bool] = True

    amount: float
    target: str = ""
    opacity: float = 0.2
    together: bool = False

    def __post_init__(self) -> None:
        check_rate(self.amount, caller=self.name)
        if not 0 < self.opacity < 1:
            raise BadInput(
                f"The 'opacity' argument of {self.name} must lie in (0, 1). Got {self.opacity}.", hint="opacity=0.2"
            )

    def apply(self, dataset: Dataset, context: HasRng) -> Dataset:
        """The dataset with the poisons in place of clean examples, and their trigger.

        Raises:
            BadInput: there are no pixels, no class of that name, a backdoor already, or too few examples.
        """
        refuse_unfit(dataset, caller=self.name)
        shape = dataset.inputs.shape[1:]
        key = Trigger(
            says=f"a picture of noise at an opacity of {self.opacity:g}",
            target=target_of(dataset, self.target, caller=self.name),
            pattern=context.rng.uniform(*range_of(dataset.inputs), size=shape).astype(np.float32),
            opacity=np.full(shape, self.opacity, np.float32),
        )
        return poisoned(dataset, key, BACKDOOR, self.amount, context, caller=self.name, together=self.together)
