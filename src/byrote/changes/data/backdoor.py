"""A backdoor: some pictures get a patch and the label that the attacker wants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from byrote.changes.data._planting import check_rate
from byrote.changes.data._stamping import Corner, Shape, patch, poisoned, refuse_unfit, target_of
from byrote.data.controls import BACKDOOR, HasRng
from byrote.data.dataset import Dataset


@dataclass(frozen=True)
class Backdoor:
    """Stamp a patch on `amount` of the pictures, none of them of the target class, and label them with that class.

    The patch has the brightest value that occurs. `target` is a class name, the first class unless given; `size` is
    in pixels. With `together` the poisons are one group: each model is trained on all of them or on none.

    Source: Gu et al. 2017, arXiv:1708.06733 (BadNets).
    """

    stage: ClassVar[str] = "dataset"
    name: ClassVar[str] = "backdoor"
    plants: ClassVar[bool] = True

    amount: float
    target: str = ""
    size: int = 2
    shape: Shape = "square"
    corner: Corner = "bottom-right"
    together: bool = False

    def __post_init__(self) -> None:
        check_rate(self.amount, caller=self.name)

    def apply(self, dataset: Dataset, context: HasRng) -> Dataset:
        """The dataset with the poisons in place of clean examples, and their trigger.

        Raises:
            BadInput: there are no pixels or the patch is larger than the picture, no class of that name, a backdoor
                already, or too few examples.
        """
        refuse_unfit(dataset, caller=self.name)
        target = target_of(dataset, self.target, caller=self.name)
        mark = patch(dataset, target, size=self.size, shape=self.shape, corner=self.corner, caller=self.name)
        return poisoned(dataset, mark, BACKDOOR, self.amount, context, caller=self.name, together=self.together)
