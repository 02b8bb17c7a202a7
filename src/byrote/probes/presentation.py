"""What the training steps saw anyway, reduced by example as it streams: free, but augmented and before the update."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from byrote.probes.judging import BY_CLASS, Judge
from byrote.probes.training_probe import TrainingProbe

#: Logits of steps wait to be added up together until they are so many.
WAITING_NUMBERS = 2**22


class PresentationProbe(TrainingProbe):
    """Sums of loss and margin over an example's presentations, and its learning and forgetting.

    `repeats` says that an epoch may show an example more than once.
    """

    kind = "presentation"

    def __init__(
        self,
        models: int,
        examples: int,
        device: torch.device,
        *,
        repeats: bool = False,
        judge: Judge = BY_CLASS,
    ) -> None:
        self.shape = (models, examples)
        self.judge = judge
        self.repeats = repeats
        self.waiting: list[tuple[Tensor, Tensor, Tensor, Tensor | None]] = []
        self.offset = torch.arange(models, device=device)[:, None] * examples
        cells = models * examples
        self.sums = {name: torch.zeros(cells, device=device) for name in judge.shown}
        self.presentations = torch.zeros(cells, dtype=torch.int32, device=device)
        self.forgetting_count = torch.zeros(cells, dtype=torch.int32, device=device)
        self.first_learned = torch.zeros(cells, dtype=torch.int32, device=device)
        self.was_correct = torch.zeros(cells, dtype=torch.bool, device=device)

    def presented(self, ids: Tensor, logits: Tensor, targets: Tensor, mask: Tensor | None = None) -> None:
        """Take note of one presentation of each example of the batch that counts.

        Steps are added up together while no example can be among them twice, which is cheaper by far.
        """
        self.waiting.append((ids, logits, targets, mask))
        if self.repeats or sum(logits.numel() for _, logits, *_ in self.waiting) > WAITING_NUMBERS:
            self.epoch_ended()

    def epoch_ended(self) -> None:
        """Add up what is waiting.

        An example twice in one batch counts as two presentations with the same history before them.
        """
        if not self.waiting:
            return
        cells = torch.cat([ids + self.offset for ids, *_ in self.waiting], dim=1)
        logits = torch.cat([logits for _, logits, *_ in self.waiting], dim=1)
        targets = torch.cat([targets for _, _, targets, _ in self.waiting], dim=1)
        counted: slice | Tensor = slice(None)
        if any(mask is not None for *_, mask in self.waiting):
            whole = [torch.ones_like(ids, dtype=torch.bool) if mask is None else mask for ids, *_, mask in self.waiting]
            counted = torch.cat(whole, dim=1).flatten()
        cells = cells.flatten()[counted]
        logits, targets = logits.flatten(0, 1)[counted], targets.flatten(0, 1)[counted]
        self.waiting = []
        correct, summed = self.judge.presented(logits.float(), targets)
        once = torch.ones_like(cells, dtype=torch.int32)
        self.presentations.index_add_(0, cells, once)
        for name, values in summed.items():
            self.sums[name].index_add_(0, cells, values)
        self.forgetting_count.index_add_(0, cells, (self.was_correct[cells] & ~correct).to(torch.int32))
        first = self.first_learned[cells]
        self.first_learned[cells] = torch.where((first == 0) & correct, self.presentations[cells], first)
        self.was_correct[cells] = correct

    def columns(self) -> dict[str, np.ndarray]:
        """Everything that was summed, `[model, example]`."""
        self.epoch_ended()
        counts = {name: getattr(self, name) for name in ("presentations", "forgetting_count", "first_learned")}
        return {name: column.reshape(self.shape).cpu().numpy() for name, column in {**counts, **self.sums}.items()}
