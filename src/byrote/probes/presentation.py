"""What the training steps saw anyway, reduced by example as it streams: free, but augmented and before the update."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from byrote.probes.probe import Probe

#: Logits of steps wait to be added up together until they are so many.
WAITING_NUMBERS = 2**22


class PresentationProbe(Probe):
    """Sums of loss and margin over an example's presentations, and its learning and forgetting.

    `repeats` says that an epoch may show an example more than once.
    """

    kind = "presentation"

    def __init__(self, models: int, examples: int, device: torch.device, *, repeats: bool = False) -> None:
        self.shape = (models, examples)
        self.repeats = repeats
        self.waiting: list[tuple[Tensor, Tensor, Tensor]] = []
        self.offset = torch.arange(models, device=device)[:, None] * examples
        cells = models * examples
        self.loss_sum = torch.zeros(cells, device=device)
        self.logit_margin_sum = torch.zeros(cells, device=device)
        self.presentations = torch.zeros(cells, dtype=torch.int32, device=device)
        self.forgetting_count = torch.zeros(cells, dtype=torch.int32, device=device)
        self.first_learned = torch.zeros(cells, dtype=torch.int32, device=device)
        self.was_correct = torch.zeros(cells, dtype=torch.bool, device=device)

    def presented(self, ids: Tensor, logits: Tensor, targets: Tensor) -> None:
        """Take note of one presentation of each example of the batch.

        Steps are added up together while no example can be among them twice, which is cheaper by far.
        """
        self.waiting.append((ids, logits, targets))
        if self.repeats or sum(logits.numel() for _, logits, _ in self.waiting) > WAITING_NUMBERS:
            self.epoch_ended()

    def epoch_ended(self) -> None:
        """Add up what is waiting.

        An example twice in one batch counts as two presentations with the same history before them.
        """
        if not self.waiting:
            return
        cells = torch.cat([ids + self.offset for ids, _, _ in self.waiting], dim=1).flatten()
        logits = torch.cat([logits for _, logits, _ in self.waiting], dim=1).flatten(0, 1).float()
        targets = torch.cat([targets for _, _, targets in self.waiting], dim=1).reshape(-1, 1)
        self.waiting = []
        margin = (logits.gather(1, targets) - logits.scatter(1, targets, -torch.inf).amax(1, keepdim=True)).squeeze(1)
        correct = margin > 0
        once = torch.ones_like(cells, dtype=torch.int32)
        self.presentations.index_add_(0, cells, once)
        self.loss_sum.index_add_(0, cells, F.cross_entropy(logits, targets.squeeze(1), reduction="none"))
        self.logit_margin_sum.index_add_(0, cells, margin)
        self.forgetting_count.index_add_(0, cells, (self.was_correct[cells] & ~correct).to(torch.int32))
        first = self.first_learned[cells]
        self.first_learned[cells] = torch.where((first == 0) & correct, self.presentations[cells], first)
        self.was_correct[cells] = correct

    def columns(self) -> dict[str, np.ndarray]:
        """Everything that was summed, `[model, example]`."""
        self.epoch_ended()
        names = ("presentations", "loss_sum", "logit_margin_sum", "forgetting_count", "first_learned")
        return {name: getattr(self, name).reshape(self.shape).cpu().numpy() for name in names}
