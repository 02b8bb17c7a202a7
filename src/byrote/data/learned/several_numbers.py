"""Several numbers per example."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float, Shaped

from byrote.data.learned.numbers import TOLERANCE, Numbers, numbers_of


@dataclass(frozen=True, kw_only=True, eq=False)
class SeveralNumbers(Numbers):
    """Of several numbers per example: `means` and `deviations` of each, by which it is centred and scaled.

    Where one number must stand for an example it is the mean of these; `mean`, `deviation`, `edges` and `names` are of
    that one. An answer is right whose error is at most `tolerance`: the root of the mean of its squared errors, each in
    deviations of its number.
    """

    means: Float[np.ndarray, " output"]
    deviations: Float[np.ndarray, " output"]
    several: ClassVar[bool] = True

    def number(self, targets: Shaped[np.ndarray, "example *output"]) -> Float[np.ndarray, " example"]:
        """The mean of the numbers of each example, once they are centred and scaled."""
        return np.asarray(((targets - self.means) / self.deviations).mean(1), np.float64)

    def learned(self, targets: Shaped[np.ndarray, "example *output"]) -> Float[np.ndarray, "example *output"]:
        """What a network is trained towards: numbers with mean 0 and deviation 1, each by itself."""
        return np.asarray((targets - self.means) / self.deviations, np.float32)

    def shown(self, targets: Shaped[np.ndarray, "example *output"], class_names: tuple[str, ...]) -> str:
        """How many numbers each."""
        return f"{len(self.means)} numbers each"

    def outputs(self, targets: Shaped[np.ndarray, "example *output"], class_names: tuple[str, ...]) -> int:
        """One for each number."""
        return len(self.means)

    def spread(self) -> Any:
        """The deviation of each."""
        return self.deviations

    def digested(self) -> str:
        """The same, and how each is centred and scaled."""
        return f"{super().digested()}{self.means.tolist()} {self.deviations.tolist()}\n"

    def facts(self, class_names: Sequence[str]) -> dict[str, Any]:
        """The same, and how many numbers there are."""
        return {**super().facts(class_names), "outputs": len(self.means)}

    def notes(self, targets: Shaped[np.ndarray, "example *output"], class_names: tuple[str, ...]) -> tuple[str, ...]:
        """When an answer counts as right, and what stands for several numbers."""
        return (
            f"The target is {len(self.means)} numbers: networks learn each centred and scaled. An error is the mean "
            "over them, in their standard deviations; an answer counts as right where the root of the mean square is "
            f"at most {self.tolerance:.4g}. Where a single number is shown, it is the mean of them.",
        )


def several_numbers_of(targets: Shaped[np.ndarray, "example output"], tolerance: float | None = None) -> SeveralNumbers:
    """Centres and spreads of the columns, and fifths of their mean.

    Example:
        >>> several_numbers_of(np.array([[0.0, 10.0], [2.0, 30.0]])).deviations
        array([ 1., 10.])
    """
    values = targets.astype(np.float64)
    means, spreads = values.mean(0), values.std(0)
    deviations = np.where(spreads > 0, spreads, 1.0)
    one = numbers_of(((values - means) / deviations).mean(1), TOLERANCE if tolerance is None else tolerance)
    return SeveralNumbers(
        mean=one.mean,
        deviation=one.deviation,
        tolerance=one.tolerance,
        edges=one.edges,
        names=one.names,
        given=tolerance is not None,
        means=means,
        deviations=deviations,
    )
