"""Token signals of a large corpus, part by part: each is read once, here or by whatever process takes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Int
from torch import nn

from byrote.data.corpus import Corpus
from byrote.engine.executing import Here, chosen
from byrote.engine.job import Block
from byrote.evidence.store import Evidence
from byrote.probes import tokens

#: The kinds of evidence that the parts of an unfinished reading are kept as.
PART = "tokens_part_"


@dataclass(frozen=True, kw_only=True, eq=False)
class TokenParts:
    """What a network says of the tokens of each part of a corpus; `part_of[document]` is -1 where none reads it.

    A block names parts where others name models.
    """

    network: nn.Module
    corpus: Corpus
    part_of: Int[np.ndarray, " document"]
    folder: Path
    model: int
    phase: int
    context: int
    device: str

    @property
    def parts(self) -> list[int]:
        """All parts."""
        found: list[int] = np.unique(self.part_of[self.part_of >= 0]).tolist()
        return found

    def place(self, part: int) -> tuple[str, int, int]:
        """Where a part stands among the evidence."""
        return f"{PART}{part:05d}", self.model, self.phase

    def moved(self, folder: Path) -> TokenParts:
        """The same with its evidence in another folder."""
        return replace(self, folder=folder)

    def reads(self, block: Block) -> list[Path]:
        """No file: the network and the corpus are sent along."""
        return []

    def makes(self, block: Block) -> list[Path]:
        """A file for each part."""
        return [Evidence(self.folder).path(*self.place(part)) for part in block.models]

    def train(self, block: Block, progress: Callable[[float], None]) -> list[int]:
        """Read the parts of a block; none of them diverges."""
        evidence, context, device = Evidence(self.folder), self.context, self.device
        for part in block.models:
            some = self.corpus.subset(np.flatnonzero(self.part_of == part))
            read = tokens.signals(self.network, some, device=device, context=context, progress=progress)
            evidence.write(*self.place(part), read, {})
        return []

    def completed(self, progress: Callable[[float], None]) -> None:
        """Read what is missing, one part after another, or side by side where an executor was chosen."""
        evidence, executor = Evidence(self.folder), chosen()
        for part in self.parts:
            evidence.sweep(*self.place(part))
        missing = [part for part in self.parts if not evidence.has(*self.place(part))]
        blocks, heard = [Block(models=(part,), stacked=False) for part in missing], _Shares(len(missing), progress)
        if not isinstance(executor, Here):
            executor.run(self, blocks, len(blocks), heard)
            return
        for block in blocks:
            self.train(block, lambda share, block=block: heard.advanced(block, share))  # type: ignore[misc]


class _Shares:
    """Adds up how far the parts are."""

    def __init__(self, parts: int, progress: Callable[[float], None]) -> None:
        self.parts, self.progress = parts, progress
        self.shares: dict[tuple[int, ...], float] = {}

    def advanced(self, block: Block, share: float) -> None:
        self.shares[block.models] = share
        self.progress(sum(self.shares.values()) / self.parts)

    def finished(self, block: Block, diverged: list[int]) -> None:
        self.advanced(block, 1.0)

    def retried(self, block: Block, exit_code: int | None) -> None:
        self.advanced(block, 0.0)
