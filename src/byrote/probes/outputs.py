"""The networks' answers at the end of a phase."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from byrote.evidence.finite import Verdict, verdict
from byrote.probes.judging import BY_CLASS, Judge
from byrote.probes.training_probe import TrainingProbe


class OutputsProbe(TrainingProbe):
    """Signals, predictions and, of classes while they fit, logits, on training (`outputs`) or held-out examples."""

    def __init__(
        self,
        models: int,
        examples: int,
        classes: int,
        *,
        at: int,
        kind: str = "outputs",
        keep_logits: bool = True,
        judge: Judge = BY_CLASS,
    ) -> None:
        self.kind = kind
        self.at = at
        self.judge = judge
        kept = {**judge.signals, **judge.answers}
        self.read = {name: torch.empty((models, examples), dtype=dtype).numpy() for name, dtype in kept.items()}
        self.logits = np.empty((models, examples, classes), np.float32) if keep_logits and judge is BY_CLASS else None

    def wants(self, checkpoint: int) -> bool:
        """The one checkpoint that it was made for."""
        return checkpoint == self.at

    def observed(self, checkpoint: int, examples: slice, logits: Tensor, targets: Tensor) -> None:
        """Keep them."""
        targets = targets.expand(len(logits), *targets.shape)
        for name, values in {**self.judge.read(logits, targets), **self.judge.answered(logits, targets)}.items():
            self.read[name][:, examples] = values.cpu().numpy()
        if self.logits is not None:
            self.logits[:, examples] = logits.float().cpu().numpy()

    def columns(self) -> dict[str, np.ndarray]:
        """Signals, `prediction`, and `logits` where kept."""
        return {**self.read, **({} if self.logits is None else {"logits": self.logits})}

    def verdicts(self) -> list[Verdict]:
        """Of each model, whether it diverged, and on how many examples it gives no finite answer."""
        return [verdict(~np.isfinite(values)) for values in self.read[self.judge.telling]]


class ClassProbabilityProbe(TrainingProbe):
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
