"""Give the most memorized examples the label that models without them predict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from byrote.changes.change import Context
from byrote.changes.data.decided import without_mended
from byrote.data.dataset import Dataset
from byrote.errors import BadInput


@dataclass(frozen=True)
class RelabelMostMemorized:
    """Replace the labels of the share of examples found most memorized by the majority vote of models without them.

    An example whose vote agrees with its label keeps it; planted label noise that is set right is planted no more.
    """

    share: float = 0.05
    stage: ClassVar[str] = "dataset"
    name: ClassVar[str] = "relabel-most-memorized"

    def apply(self, stage: Dataset, context: Context) -> Dataset:
        """The dataset with new labels for the examples to forget.

        Raises:
            BadInput: there is no parent run to ask.
        """
        if context.parent is None:
            raise BadInput("Relabelling needs a run whose models can be asked.", hint="byrote change RUN --with …")
        votes = context.parent.votes(context.forget)
        targets = np.array(stage.targets)
        asked = votes.sum(1) > 0
        targets[context.forget[asked]] = votes[asked].argmax(1)
        changed = stage.replace(targets=targets)
        return changed.replace(controls=without_mended(changed))
