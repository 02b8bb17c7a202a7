"""Canaries whose secrets are new at every copy: the same training with nothing in them to know by rote."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from byrote.changes.change import Context
from byrote.data.canaries import FILE, read_canaries
from byrote.data.corpus import Corpus
from byrote.errors import BadInput


@dataclass(frozen=True)
class RedrawSecrets:
    """Draw a new secret for every copy of this share of the planted canaries; of all unless told otherwise.

    Documents, steps and the texts around the secrets stay. So what the card then says of held-out loss is the second
    half of unintended memorization: secrets that are of no use do not change it. Of a share, those are redrawn that
    were planted last, which are the most repeated.

    Source: Carlini et al. 2019, arXiv:1802.08232, section 2.
    Differs: there canaries are left out, which leaves out the sentences around them, too.
    """

    share: float = 1.0
    stage: ClassVar[str] = "dataset"
    name: ClassVar[str] = "redraw-secrets"
    aimed: ClassVar[bool] = False
    of_text: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise BadInput(
                f"The share of {self.name} must lie in (0, 1]. Got {self.share}.",
                hint=f"{self.name}=1 draws all secrets anew, {self.name}=0.5 half of them.",
            )

    def apply(self, stage: Any, context: Context) -> Corpus:
        """The corpus with other secrets, without tokens.

        Raises:
            BadInput: the data are no texts, or no canaries were planted in them.
        """
        path = None if context.parent is None else context.parent.folder / FILE
        if not isinstance(stage, Corpus) or path is None or not path.exists():
            raise BadInput(
                f"No canaries were planted in {stage.name!r}, so that {self.name!r} has no secrets to draw.",
                hint="`byrote plant` plants them, and `byrote audit docs` has them.",
            )
        canaries = read_canaries(path)
        planted = [number for number, canary in enumerate(canaries) if canary.planted]
        chosen = planted[len(planted) - round(self.share * len(planted)) :]
        held, listed, texts = canaries.located(stage), list(canaries), list(stage.texts)
        for row in np.flatnonzero(np.isin(held, chosen)).tolist():
            canary = listed[held[row]]
            (secret,) = canaries.spaces[canary.kind].draw(1, context.rng)
            texts[row] = texts[row].replace(canary.text, f"{canary.prefix} {secret}")
        return stage.replace(texts=tuple(texts))
