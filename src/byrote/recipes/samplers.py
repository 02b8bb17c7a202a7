"""Orders of an epoch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Int, UInt8

from byrote.errors import BadInput


@dataclass(frozen=True)
class Shuffle:
    """A fresh random order each epoch, a function of (seed, epoch) alone; an example of count c appears c times."""

    repeats: ClassVar[bool] = False

    def order(
        self,
        seed: int,
        epoch: int,
        count: UInt8[np.ndarray, " example"],
        classes: Int[np.ndarray, " example"] | None = None,
    ) -> Int[np.ndarray, " shown"]:
        """Rows of the dataset in the order in which they are shown."""
        shown = np.repeat(np.arange(len(count)), count)
        return np.random.default_rng([seed, epoch]).permutation(shown)


@dataclass(frozen=True)
class ClassBalanced:
    """Draws with replacement, in which every class that the model's own examples have is as likely as any other.

    An epoch is as long as with `Shuffle`. Of a class with few examples each is shown many times per epoch; of a large
    one some are not shown in an epoch at all, and are members all the same: `presentation.presentations` counts how
    often each was shown. An example that is to be shown twice is twice as likely within its class.

    Formula:
        P(i) = c_i / (k C_y) for an example of count c_i and class y, the k classes of which the model is shown any, and
        C_y, the sum of the counts of class y; the draws are independent
    Source: torch.utils.data.WeightedRandomSampler with the weights c_i / C_y.

    Example:
        >>> import numpy as np
        >>> ClassBalanced().order(0, 0, np.ones(4, np.uint8), np.array([0, 0, 0, 1])).shape
        (4,)
    """

    repeats: ClassVar[bool] = True
    task: ClassVar[str] = "classes"

    def order(
        self,
        seed: int,
        epoch: int,
        count: UInt8[np.ndarray, " example"],
        classes: Int[np.ndarray, " example"] | None = None,
    ) -> Int[np.ndarray, " shown"]:
        """Rows of the dataset in the order in which they are shown.

        Raises:
            BadInput: nobody says of which class each example is.
        """
        if classes is None:
            raise BadInput(
                "ClassBalanced draws by class, and these data have no single class per example.",
                hint="leave the sampler out: every epoch shuffles.",
            )
        times = count.astype(np.float64)
        of_class = np.bincount(classes, weights=times)
        likely = times / (np.maximum(of_class, 1)[classes] * max(1, np.count_nonzero(of_class)))
        rng = np.random.default_rng([seed, epoch])
        shown = int(times.sum())
        return rng.choice(len(count), shown, p=likely) if shown else np.zeros(0, np.int64)
