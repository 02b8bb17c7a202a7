"""What the training steps saw anyway, reduced by example as it streams: free, but augmented and before the update."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import torch
from torch import Tensor

from byrote.evidence.kinds.presentation import PRESENTATION
from byrote.probes.contract import Block, Probe, Shard, When
from byrote.probes.judging import BY_CLASS, Judge
from byrote.probes.moment import Moment

#: Logits of steps wait to be added up together until they are so many.
WAITING_NUMBERS = 2**22


class PresentationProbe(Probe):
    """Sums of loss and margin over an example's presentations, and its learning and forgetting.

    `repeats` says that an epoch may show an example more than once.
    """

    name: ClassVar[str] = "presentation"
    when: ClassVar[frozenset[When]] = frozenset({"step"})
    kinds = (PRESENTATION,)
    masked: ClassVar[bool] = True

    def __init__(self, *, repeats: bool = False, judge: Judge = BY_CLASS) -> None:
        self.judge, self.repeats = judge, repeats

    def begin(self, block: Block) -> None:
        """Nothing was presented yet."""
        super().begin(block)
        (models, examples), device = block.member.shape, block.device
        self.shape, self.epoch, self.numbers = (models, examples), 0, 0
        self.waiting: list[tuple[Tensor, Tensor, Tensor, Tensor | None]] = []
        self.offset = torch.arange(models, device=device)[:, None] * examples
        cells = models * examples
        self.sums = {name: torch.zeros(cells, device=device) for name in self.judge.shown}
        self.presentations = torch.zeros(cells, dtype=torch.int32, device=device)
        self.forgetting_count = torch.zeros(cells, dtype=torch.int32, device=device)
        self.first_learned = torch.zeros(cells, dtype=torch.int32, device=device)
        self.was_correct = torch.zeros(cells, dtype=torch.bool, device=device)

    def look(self, at: Moment) -> None:
        """Take note of one presentation of each example of the batch that counts.

        Steps are added up together while no example can be among them twice, which is cheaper by far.
        """
        if at.epoch != self.epoch:
            self._add_up()
            self.epoch = at.epoch
        logits = at.logits
        self.waiting.append((at.rows, logits, at.targets, at.mask))
        self.numbers += logits.numel()
        if self.repeats or self.numbers > WAITING_NUMBERS:
            self._add_up()

    def _add_up(self) -> None:
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
        self.waiting, self.numbers = [], 0
        correct, summed = self.judge.presented(logits.float(), targets)
        once = torch.ones_like(cells, dtype=torch.int32)
        self.presentations.index_add_(0, cells, once)
        for name, values in summed.items():
            self.sums[name].index_add_(0, cells, values)
        self.forgetting_count.index_add_(0, cells, (self.was_correct[cells] & ~correct).to(torch.int32))
        first = self.first_learned[cells]
        self.first_learned[cells] = torch.where((first == 0) & correct, self.presentations[cells], first)
        self.was_correct[cells] = correct

    def shards(self) -> Iterator[Shard]:
        """Everything that was summed."""
        self._add_up()
        counts = {name: getattr(self, name) for name in ("presentations", "forgetting_count", "first_learned")}
        found = {name: each.reshape(self.shape).cpu().numpy() for name, each in {**counts, **self.sums}.items()}
        for row, model in enumerate(self.block.models):
            yield Shard(kind=PRESENTATION, model=model, columns={name: array[row] for name, array in found.items()})
