"""Personal data are masked before the training: the kind stands where a number or an address stood."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from byrote.changes.change import Context
from byrote.data.corpus import Corpus
from byrote.data.personal import Detectors, masked
from byrote.errors import BadInput


@dataclass(frozen=True)
class MaskPersonalData:
    """Put `[card]`, `[iban]`, `[email]` or `[phone]` where such data stand; documents, ids and members stay.

    Which data are found, and which are not, `byrote scan` tells of the corpus: data that are not found stay. Planted
    canaries of these kinds are masked, too, so that their exposure on the card says how much was missed.

    Source: after Lukas et al. 2023, arXiv:2302.00539, section 5.
    Differs: they tag names with a neural network, too; here forms and checksums alone are looked for.
    """

    stage: ClassVar[str] = "dataset"
    name: ClassVar[str] = "mask-personal-data"
    aimed: ClassVar[bool] = False
    of_text: ClassVar[bool] = True

    def apply(self, stage: Any, context: Context) -> Corpus:
        """The corpus with other texts, without tokens.

        Raises:
            BadInput: the data are no texts, or a package is not installed (`byrote[personal-data]`).
        """
        if not isinstance(stage, Corpus):
            raise BadInput(
                f"{self.name!r} masks texts, and {stage.name!r} has none.",
                hint="it is a change of runs of language models, as of `byrote audit docs`.",
            )
        detectors = Detectors()
        texts = tuple(masked(text, detectors.find(text)) for text in stage.texts)
        return stage.replace(texts=texts)
