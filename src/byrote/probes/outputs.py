"""The networks' answers at the end of a phase."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from byrote.probes.probe import Probe
from byrote.probes.signals import Signals, signals


class OutputsProbe(Probe):
    """Signals, predictions and, while they fit, logits, on training examples (`outputs`) or held-out ones."""

    def __init__(
        self,
        models: int,
        examples: int,
        classes: int,
        *,
        at: int,
        kind: str = "outputs",
        keep_logits: bool = True,
    ) -> None:
        self.kind = kind
        self.at = at
        self.signals = {name: np.empty((models, examples), np.float32) for name in Signals._fields}
        self.prediction = np.empty((models, examples), np.int32)
        self.logits = np.empty((models, examples, classes), np.float32) if keep_logits else None

    def wants(self, checkpoint: int) -> bool:
        """The one checkpoint that it was made for."""
        return checkpoint == self.at

    def observed(self, checkpoint: int, examples: slice, logits: Tensor, targets: Tensor) -> None:
        """Keep them."""
        read = signals(logits, targets.expand(logits.shape[:2]))
        for name, values in read._asdict().items():
            self.signals[name][:, examples] = values.cpu().numpy()
        self.prediction[:, examples] = logits.argmax(-1).to(torch.int32).cpu().numpy()
        if self.logits is not None:
            self.logits[:, examples] = logits.float().cpu().numpy()

    def columns(self) -> dict[str, np.ndarray]:
        """Signals, `prediction`, and `logits` where kept."""
        kept = {} if self.logits is None else {"logits": self.logits}
        return {**self.signals, "prediction": self.prediction, **kept}


class ClassProbabilityProbe(Probe):
    """Class probabilities summed over a block's members and non-members, where logits are too many to keep.

    `fine` says which models of the block count: those that did not diverge.
    """

    kind = "class_probability"

    def __init__(self, member: Tensor, fine: Tensor, classes: int) -> None:
        self.chosen = {"in": member.bool() & fine[:, None], "out": ~member.bool() & fine[:, None]}
        examples = member.shape[1]
        self.sums = {side: np.zeros((examples, classes), np.float32) for side in self.chosen}

    def wants(self, checkpoint: int) -> bool:
        """Whatever it is shown."""
        return True

    def observed(self, checkpoint: int, examples: slice, logits: Tensor, targets: Tensor) -> None:
        """Add them up."""
        probabilities = logits.float().softmax(-1)
        for side, chosen in self.chosen.items():
            mask = chosen[:, examples, None]
            self.sums[side][examples] += torch.where(mask, probabilities, 0.0).sum(0).cpu().numpy()

    def columns(self) -> dict[str, np.ndarray]:
        """Sums and counts over the block; they have no model axis."""
        counts = {side: chosen.sum(0).to(torch.int32).cpu().numpy() for side, chosen in self.chosen.items()}
        sums = {f"sum_{side}": total for side, total in self.sums.items()}
        return sums | {f"count_{side}": count for side, count in counts.items()}
