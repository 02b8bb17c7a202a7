"""What trained networks answer to held-out examples with the trigger of a backdoor, beside those without it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from byrote.evidence.kinds.stamped import STAMPED, TARGET, TRIGGER
from byrote.probes.contract import END, Block, Probe, Shard, When
from byrote.probes.moment import Moment
from byrote.probes.registry import probe


@probe
class StampedProbe(Probe):
    """Whether stamped and plain held-out examples are given the attacker's class. Audits with a backdoor have it.

    Source: Gu et al. 2017, arXiv:1708.06733, section 4 (attack success).
    """

    name: ClassVar[str] = "stamped"
    when: ClassVar[frozenset[When]] = END
    kinds = (STAMPED,)
    stamps: ClassVar[bool] = True

    def begin(self, block: Block) -> None:
        """The held-out examples, with the trigger and without it."""
        super().begin(block)
        assert block.trigger is not None
        assert block.heldout is not None, "refused before anything trains"
        inputs, self.labels = block.heldout
        stamped = block.trigger.stamped(inputs.cpu().numpy())
        self.shown = {"target": torch.from_numpy(stamped).to(inputs.device), "plain": inputs}

    def look(self, at: Moment) -> None:
        """Both, before all models."""
        logits = {name: at.before(shown, self.labels).logits for name, shown in self.shown.items()}
        trigger = self.block.trigger
        assert trigger is not None
        self.found = {name: each.argmax(-1) == trigger.target for name, each in logits.items()}
        finite = torch.stack([each.isfinite().all(-1) for each in logits.values()]).all(0)
        self.found["counts"] = finite & (self.labels != trigger.target)

    def shards(self) -> Iterator[Shard]:
        """One per model; the header names the trigger and its class."""
        trigger = self.block.trigger
        assert trigger is not None
        words = {TRIGGER: trigger.says, TARGET: str(trigger.target)}
        for row, model in enumerate(self.block.models):
            yield Shard(kind=STAMPED, model=model, columns=self._of(row), words=words)

    def _of(self, row: int) -> dict[str, np.ndarray]:
        def array(found: Tensor) -> np.ndarray:
            return np.asarray(found[row].cpu().numpy())

        return {name: array(found) for name, found in self.found.items()}
