"""Remove the most memorized examples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from byrote.changes.change import Context
from byrote.data.dataset import Dataset


@dataclass(frozen=True)
class RemoveMostMemorized:
    """Leave out the share of the examples that the parent run found most memorized.

    Source: Feldman & Zhang 2020, arXiv:2008.03703, section 3.2 (there the removed examples were those worth keeping).
    """

    share: float = 0.05
    stage: ClassVar[str] = "dataset"
    name: ClassVar[str] = "remove-most-memorized"
    any_target: ClassVar[bool] = True

    def apply(self, stage: Dataset, context: Context) -> Dataset:
        """The dataset without the examples to forget."""
        return stage.subset(np.setdiff1d(np.arange(len(stage)), context.forget))
