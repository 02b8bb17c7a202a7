"""Removal of planted canaries: what the same training is like without them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from byrote.changes.change import Context
from byrote.data.canaries import FILE, read_canaries
from byrote.data.corpus import Corpus
from byrote.errors import BadInput


@dataclass(frozen=True)
class RemoveCanaries:
    """Leave out this share of the planted canaries, with all their copies; all unless told otherwise.

    What the card then says of held-out loss is the second half of unintended memorization: secrets that are of no use
    do not change it. Of a share, those go first that were planted last, which are the most repeated.

    Source: Carlini et al. 2019, arXiv:1802.08232, section 2.
    """

    share: float = 1.0
    stage: ClassVar[str] = "dataset"
    name: ClassVar[str] = "remove-canaries"

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise BadInput(f"The share of {self.name} must lie in (0, 1]. Got {self.share}.")

    def apply(self, stage: Any, context: Context) -> Corpus:
        """The corpus without the documents that hold them; what stays keeps its order and ids.

        Raises:
            BadInput: the data are no texts, or no canaries were planted in them.
        """
        path = None if context.parent is None else context.parent.folder / FILE
        if not isinstance(stage, Corpus) or path is None or not path.exists():
            raise BadInput(
                f"No canaries were planted in {stage.name!r}, so that {self.name!r} has nothing to remove.",
                hint="`byrote plant` plants them, and `byrote audit docs` has them.",
            )
        canaries = read_canaries(path)
        planted = [number for number, canary in enumerate(canaries) if canary.planted]
        gone = planted[len(planted) - round(self.share * len(planted)) :]
        return stage.subset(~np.isin(canaries.located(stage), gone))
