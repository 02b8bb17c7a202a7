"""The networks' answers at the end of a phase."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from byrote.evidence.finite import Verdict, verdict
from byrote.evidence.kind import Kind
from byrote.evidence.kinds.class_probability import CLASS_PROBABILITY
from byrote.evidence.kinds.outputs import OUTPUTS
from byrote.probes.contract import Block, Probe, Shard, When
from byrote.probes.judging import BY_CLASS, Judge
from byrote.probes.moment import Moment


class OutputsProbe(Probe):
    """Signals, predictions and, of classes while they fit, logits, on training (`outputs`) or held-out examples."""

    name: ClassVar[str] = "outputs"
    when: ClassVar[frozenset[When]] = frozenset({"checkpoint"})

    def __init__(self, kind: Kind = OUTPUTS, *, keep_logits: bool = True, judge: Judge = BY_CLASS) -> None:
        self.kinds = (kind,)
        self.keep_logits, self.judge = keep_logits and judge is BY_CLASS, judge

    def chosen(self, checkpoints: int) -> tuple[int, ...]:
        """The last."""
        return (checkpoints - 1,)

    def begin(self, block: Block) -> None:
        """Room for what is read."""
        super().begin(block)
        size, kept = (len(block.models), len(block.inputs)), {**self.judge.signals, **self.judge.answers}
        self.read = {name: torch.empty(size, dtype=dtype).numpy() for name, dtype in kept.items()}
        self.logits = np.empty((*size, block.classes), np.float32) if self.keep_logits else None

    def look(self, at: Moment) -> None:
        """Keep them."""
        targets, rows = at.targets.expand(len(at.logits), *at.targets.shape), at.rows.cpu().numpy()
        for name, values in {**self.judge.read(at.logits, targets), **self.judge.answered(at.logits, targets)}.items():
            self.read[name][:, rows] = values.cpu().numpy()
        if self.logits is not None:
            self.logits[:, rows] = at.logits.float().cpu().numpy()

    def verdicts(self) -> list[Verdict]:
        """Of each model, whether it diverged, and on how many examples it gives no finite answer."""
        return [verdict(~np.isfinite(values)) for values in self.read[self.judge.telling]]

    def shards(self) -> Iterator[Shard]:
        """Signals, `prediction`, and `logits` where kept."""
        found = {**self.read, **({} if self.logits is None else {"logits": self.logits})}
        for row, (model, judged) in enumerate(zip(self.block.models, self.verdicts(), strict=True)):
            columns = {name: array[row] for name, array in found.items()}
            yield Shard(kind=self.kinds[0], model=model, columns=columns, words=judged.words())


class ClassProbabilityProbe(Probe):
    """Class probabilities summed over a block's members and non-members, where logits are too many to keep.

    `fine` says which models of the block count: those that did not diverge.
    """

    name: ClassVar[str] = "class_probability"
    when: ClassVar[frozenset[When]] = frozenset({"checkpoint"})
    kinds = (CLASS_PROBABILITY,)

    def __init__(self, fine: Tensor) -> None:
        self.fine = fine

    def begin(self, block: Block) -> None:
        """Nothing is summed yet."""
        super().begin(block)
        member, fine = block.member == 1, self.fine[:, None]
        self.sides = {"in": member & fine, "out": ~member & fine}
        self.sums = {side: np.zeros((len(block.inputs), block.classes), np.float32) for side in self.sides}

    def look(self, at: Moment) -> None:
        """Add them up."""
        probabilities, rows = at.logits.float().softmax(-1), at.rows.cpu().numpy()
        for side, chosen in self.sides.items():
            mask = chosen[:, at.rows, None]
            self.sums[side][rows] += torch.where(mask, probabilities, 0.0).sum(0).cpu().numpy()

    def shards(self) -> Iterator[Shard]:
        """Sums and counts over the block, under its first model; they have no model axis."""
        counts = {f"count_{side}": each.sum(0).to(torch.int32).cpu().numpy() for side, each in self.sides.items()}
        columns = {**{f"sum_{side}": total for side, total in self.sums.items()}, **counts}
        models = list(self.block.models)
        yield Shard(kind=CLASS_PROBABILITY, model=models[0], columns=columns, words={"models": str(models)})
