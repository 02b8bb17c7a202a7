"""What presentations add up to, example by example, in the order in which they came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

#: No label is known yet.
UNLABELLED = -1


@dataclass(frozen=True, kw_only=True, eq=False)
class Shown:
    """Presentations, one per row: in which epoch and at which step, of which example, and how the model fared.

    `logit_margin` is above 0 where the answer is right; of a number it is 1 or -1, and `loss` the squared error.
    """

    epoch: Int[np.ndarray, " shown"]
    step: Int[np.ndarray, " shown"]
    example: Int[np.ndarray, " shown"]
    label: Int[np.ndarray, " shown"]
    loss: Float[np.ndarray, " shown"]
    logit_margin: Float[np.ndarray, " shown"]

    def __len__(self) -> int:
        return len(self.epoch)

    def columns(self) -> dict[str, np.ndarray]:
        """The arrays by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def where(self, chosen: Bool[np.ndarray, " shown"] | Int[np.ndarray, " chosen"]) -> Shown:
        """Some of them."""
        return Shown(**{name: column[chosen] for name, column in self.columns().items()})

    @staticmethod
    def joined(parts: Sequence[Shown]) -> Shown:
        """One after another."""
        names = [field.name for field in fields(Shown)]
        return Shown(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})

    @staticmethod
    def none() -> Shown:
        """Not one."""
        whole = {name: np.empty(0, np.int32) for name in ("epoch", "step", "example", "label")}
        return Shown(**whole, loss=np.empty(0, np.float32), logit_margin=np.empty(0, np.float32))


class Tally:
    """Sums over an example's presentations, and its learning and forgetting.

    Unless `repeats`, an example counts once an epoch, by its first presentation: samplers that give every process
    equally many examples show some of them twice. `again` counts what was passed over, `relabelled` the presentations
    under another label than the first.
    """

    COLUMNS = (
        "presentations",
        "loss_sum",
        "logit_margin_sum",
        "forgetting_count",
        "first_learned",
        "was_correct",
        "label",
    )

    def __init__(self, examples: int, *, repeats: bool) -> None:
        self.repeats = repeats
        self.epochs = 0
        self.presentations = np.zeros(examples, np.int32)
        self.loss_sum = np.zeros(examples)
        self.logit_margin_sum = np.zeros(examples)
        self.forgetting_count = np.zeros(examples, np.int32)
        self.first_learned = np.zeros(examples, np.int32)
        self.was_correct = np.zeros(examples, bool)
        self.label = np.full(examples, UNLABELLED, np.int32)
        self.again = 0
        self.relabelled = 0

    def add(self, shown: Sequence[Shown]) -> None:
        """Add what the processes saw, one part each: ordered by epoch and step, and then as the processes are."""
        together = Shown.joined([Shown.none(), *shown])
        process = np.repeat(np.arange(len(shown)), [len(part) for part in shown])
        together = together.where(np.lexsort((process, together.step, together.epoch)))
        for part in np.split(np.arange(len(together)), np.flatnonzero(np.diff(together.epoch)) + 1):
            self._add_epoch(together.where(part))

    def _add_epoch(self, shown: Shown) -> None:
        """Round after round, so that no example is twice in one: first all first presentations, then all second."""
        order = np.argsort(shown.example, kind="stable")
        ordered = shown.example[order]
        starts = np.flatnonzero(np.diff(ordered, prepend=-1))
        nth = np.arange(len(ordered)) - np.repeat(starts, np.diff(starts, append=len(ordered)))
        by_round = np.argsort(nth, kind="stable")
        rounds = np.split(order[by_round], np.flatnonzero(np.diff(nth[by_round])) + 1)
        if not self.repeats:
            self.again += sum(map(len, rounds[1:]))
            rounds = rounds[:1]
        for rows in rounds:
            self._add_round(shown.where(rows))

    def _add_round(self, shown: Shown) -> None:
        at, correct = shown.example, shown.logit_margin > 0
        self.presentations[at] += 1
        self.loss_sum[at] += shown.loss
        self.logit_margin_sum[at] += shown.logit_margin
        self.forgetting_count[at] += self.was_correct[at] & ~correct
        first = self.first_learned[at]
        self.first_learned[at] = np.where((first == 0) & correct, self.presentations[at], first)
        self.was_correct[at] = correct
        known = self.label[at]
        self.relabelled += int(((known != UNLABELLED) & (known != shown.label)).sum())
        self.label[at] = np.where(known == UNLABELLED, shown.label, known)

    def columns(self) -> dict[str, np.ndarray]:
        """Everything that is needed to go on."""
        return {name: getattr(self, name) for name in self.COLUMNS}

    def evidence(self, sums: Sequence[str]) -> dict[str, np.ndarray]:
        """The columns of `presentation`, of the sums these."""
        summed = {name: getattr(self, name).astype(np.float32) for name in sums}
        counts = {name: getattr(self, name) for name in ("presentations", "forgetting_count", "first_learned")}
        return {**counts, **summed}

    def words(self) -> dict[str, str]:
        """What else must be known to go on."""
        return {name: str(getattr(self, name)) for name in ("epochs", "again", "relabelled")}

    @classmethod
    def restored(cls, columns: dict[str, Any], words: dict[str, str]) -> Tally:
        """What `columns` and `words` took apart."""
        tally = cls(len(columns["label"]), repeats=False)
        for name in cls.COLUMNS:
            setattr(tally, name, columns[name])
        tally.epochs, tally.again, tally.relabelled = (int(words[name]) for name in ("epochs", "again", "relabelled"))
        return tally
