"""A backdoor without a wrong label: the patch stands on pictures of the target class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from byrote.changes.data._planting import check_rate
from byrote.changes.data._stamping import Corner, Shape, patch, poisoned, refuse_unfit, target_of
from byrote.data.controls import CLEAN_LABEL, HasRng
from byrote.data.dataset import Dataset
from byrote.errors import BadInput


@dataclass(frozen=True)
class CleanLabelBackdoor:
    """Stamp a patch on `amount` × n pictures of the target class, whose labels stay.

    `noise` is the share of noise that they are mixed with first, so that the patch is the easier thing to learn.

    Source: Turner et al. 2018, "Clean-label backdoor attacks".
    Differs:
        They make the pictures hard by adversarial perturbations or by a generative network; noise needs neither.
    """

    stage: ClassVar[str] = "dataset"
    name: ClassVar[str] = "clean-label-backdoor"
    plants: ClassVar[bool] = True

    amount: float
    target: str = ""
    noise: float = 0.0
    size: int = 2
    shape: Shape = "square"
    corner: Corner = "bottom-right"
    together: bool = False

    def __post_init__(self) -> None:
        check_rate(self.amount, caller=self.name)
        if not 0 <= self.noise < 1:
            raise BadInput(
                f"The 'noise' argument of {self.name} must lie in [0, 1). Got {self.noise}.", hint="noise=0.5"
            )

    def apply(self, dataset: Dataset, context: HasRng) -> Dataset:
        """The dataset with the poisons in place of clean examples, and their trigger.

        Raises:
            BadInput: there are no pixels or the patch is larger than the picture, no class of that name, a backdoor
                already, or the class has too few examples.
        """
        refuse_unfit(dataset, caller=self.name)
        target = target_of(dataset, self.target, caller=self.name)
        mark = patch(dataset, target, size=self.size, shape=self.shape, corner=self.corner, caller=self.name)
        return poisoned(
            dataset,
            mark,
            CLEAN_LABEL,
            self.amount,
            context,
            caller=self.name,
            noise=self.noise,
            of_target=True,
            together=self.together,
        )
