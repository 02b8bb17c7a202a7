"""What every run records of its training: it looks on at steps and clean passes and reduces them to named columns.

Outputs, trajectories and presentations are these three. Whatever is asked for by name is a `Probe` (`contract.py`).
"""

from __future__ import annotations

import numpy as np
from torch import Tensor


class TrainingProbe:
    """Looks away by default. `kind` is the evidence that it writes."""

    kind: str

    def wants(self, checkpoint: int) -> bool:
        """Whether the clean pass at this checkpoint interests it."""
        return False

    def observed(self, checkpoint: int, examples: slice, logits: Tensor, targets: Tensor) -> None:
        """Answers in evaluation mode: `logits[model, batch, class]` for these rows, `targets[batch]`."""

    def presented(self, ids: Tensor, logits: Tensor, targets: Tensor, mask: Tensor | None = None) -> None:
        """What a step saw before its update: `ids[model, batch]`, `logits[model, batch, class]`.

        Rows where `mask[model, batch]` is False only fill up a batch, and are nobody's business; None: there are none.
        """

    def epoch_ended(self) -> None:
        """Every member was shown once more."""

    def columns(self) -> dict[str, np.ndarray]:
        """Arrays by name, the model axis first."""
        raise NotImplementedError
