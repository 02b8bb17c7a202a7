"""Personal data are masked before the training: the kind stands where a number or an address stood."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from byrote.changes.change import Context
from byrote.data.corpus import Corpus
from byrote.data.personal import KINDS, REGIONS, Detectors, masked
from byrote.errors import BadInput


@dataclass(frozen=True)
class MaskPersonalData:
    """Put `[card]`, `[iban]`, `[email]` or `[phone]` where such data stand; documents, ids and members stay.

    Held-out documents are masked alike, or `[card]` would tell a member. One that then is the same as a training
    document is left out.

    Data of these `kinds` are looked for, and telephone numbers without a country in these `regions`. Which are found,
    and which are not, `byrote scan` tells of the corpus: what is not found stays. Planted canaries of these kinds are
    masked, too, so that their exposure on the card says how much was missed.

    Source: after Lukas et al. 2023, arXiv:2302.00539, section 5.
    Differs: they tag names with a neural network, too; here forms and checksums alone are looked for.
    """

    kinds: tuple[str, ...] = KINDS
    regions: tuple[str, ...] = REGIONS
    stage: ClassVar[str] = "dataset"
    name: ClassVar[str] = "mask-personal-data"
    aimed: ClassVar[bool] = False
    of_text: ClassVar[bool] = True
    of_heldout: ClassVar[bool] = True
    leaves_nothing_for: ClassVar[tuple[str, ...]] = ("found_data",)

    def __post_init__(self) -> None:
        unknown = [kind for kind in self.kinds if kind not in KINDS]
        if unknown or not self.kinds:
            raise BadInput(
                f"{self.name!r} masks {', '.join(KINDS)}. Got {';'.join(unknown) or 'none'}.",
                hint=f"{self.name}={';'.join(KINDS)}",
            )

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
        detectors = Detectors(kinds=self.kinds, regions=self.regions)
        texts = tuple(masked(text, detectors.find(text)) for text in stage.texts)
        return stage.replace(texts=texts)
