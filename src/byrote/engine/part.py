"""Parts of a run: jobs that know nothing of each other, as those of a SLURM array, train a share of its blocks each.

Part 0 divides the models into blocks and trains none; parts 1 to n can then be trained at any time, in any order, and
again. The run without parts, as last, trains what is missing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from byrote.engine.executing import Here
from byrote.engine.executors import Listener, Movable
from byrote.engine.job import Block
from byrote.errors import BadInput


@dataclass(frozen=True)
class Part:
    """The blocks of one part, trained on this machine."""

    number: int
    parts: int
    whole: bool = False

    @property
    def alone(self) -> bool:
        """Only while the run comes into being."""
        return self.number == 0

    def places(self, device: str) -> int:
        """One for each part."""
        return self.parts

    def beside(self, workers: int) -> int:
        """As many as there are cores; none where nothing is trained."""
        return min(workers, Here().places("cpu")) if self.number else 1

    def share(self, blocks: Sequence[Block]) -> list[Block]:
        """Every n-th block, so that short and long ones are spread."""
        return list(blocks)[self.number - 1 :: self.parts] if self.number else []

    def run(self, job: Movable, blocks: Sequence[Block], workers: int, listener: Listener) -> None:
        """Train them on this machine's cores."""
        Here().run(job, blocks, min(workers, Here().places(job.device)), listener)

    def words(self, blocks: int, left: int) -> str:
        """What is done, and what comes next."""
        if not self.number:
            most = f" No more than {blocks} parts have something to do." if blocks < self.parts else ""
            return (
                f"The models are divided into {blocks} blocks, of which {left} are to be trained.{most} "
                f"Train --part 1/{self.parts} to --part {self.parts}/{self.parts}, in any order."
            )
        rest = f"{left} of {blocks} blocks of the run are still to be trained" if left else f"all {blocks} blocks are"
        return f"Part {self.number} of {self.parts} is trained; {rest}. The same command without --part ends the run."


def part(text: str) -> Part:
    """The part that "3/40" names, the third of forty.

    Raises:
        BadInput: it names none.

    Example:
        >>> part("3/40")
        Part(number=3, parts=40, whole=False)
    """
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    number, parts = (int(found[1]), int(found[2])) if found else (1, 0)
    if not 0 <= number <= parts or not parts:
        raise BadInput(
            f"The option --part takes a part and their number. Got {text!r}.",
            hint="--part 0/40 divides the models, --part 1/40 to --part 40/40 train them.",
        )
    return Part(number, parts)
