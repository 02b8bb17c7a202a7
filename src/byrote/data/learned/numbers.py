"""A number per example."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar, Final

import numpy as np
from jaxtyping import Float, Int, Shaped

from byrote.data.learned.contract import Learned, Task

#: A prediction is right that misses its number by at most this share of the training numbers' standard deviation.
TOLERANCE: Final = 0.25
#: Examples of a regression are told apart by fifths of the training numbers.
PARTS: Final = 5


@dataclass(frozen=True, kw_only=True, eq=False)
class Numbers(Learned):
    """Centre and spread of the training numbers, how near counts as right, and where their fifths begin.

    `given` says that the tolerance was asked for, and does not follow from the numbers.
    """

    mean: float
    deviation: float
    tolerance: float
    edges: Float[np.ndarray, " edge"]
    names: tuple[str, ...]
    given: bool = False
    task: ClassVar[Task] = "regression"
    says: ClassVar[str] = "one number per example"
    numeric: ClassVar[bool] = True

    def number(self, targets: Shaped[np.ndarray, "example *output"]) -> Float[np.ndarray, " example"]:
        """The number of each example."""
        return targets

    def index(self, targets: Shaped[np.ndarray, "example *output"]) -> Int[np.ndarray, " example"]:
        """The fifth in which each number lies."""
        return np.searchsorted(self.edges, self.number(targets), side="right").astype(np.int64)

    def learned(self, targets: Shaped[np.ndarray, "example *output"]) -> Float[np.ndarray, "example *output"]:
        """What a network is trained towards: numbers with mean 0 and deviation 1."""
        return ((targets - self.mean) / self.deviation).astype(np.float32)

    def kind_names(self, class_names: tuple[str, ...]) -> tuple[str, ...]:
        """The names of the fifths."""
        return self.names

    def shown(self, targets: Shaped[np.ndarray, "example *output"], class_names: tuple[str, ...]) -> str:
        """A number each."""
        return "a number each"

    def outputs(self, targets: Shaped[np.ndarray, "example *output"], class_names: tuple[str, ...]) -> int:
        """One."""
        return 1

    def spread(self) -> Any:
        """The deviation."""
        return self.deviation

    def asked_tolerance(self) -> float | None:
        """The tolerance, if it was given."""
        return self.tolerance if self.given else None

    def digested(self) -> str:
        """The task, and how numbers are centred, scaled and judged."""
        return f"{super().digested()}{self.mean!r} {self.deviation!r} {self.tolerance!r}\n"

    def facts(self, class_names: Sequence[str]) -> dict[str, Any]:
        """The task, and how numbers are centred, scaled and judged."""
        return {"task": self.task, **{name: getattr(self, name) for name in ("mean", "deviation", "tolerance")}}

    def notes(self, targets: Shaped[np.ndarray, "example *output"], class_names: tuple[str, ...]) -> tuple[str, ...]:
        """When an answer counts as right."""
        return (
            f"The target is a number: networks learn it centred and scaled, and an answer counts as right that misses "
            f"it by at most {self.tolerance:.4g} (its standard deviation is {self.deviation:.4g}).",
        )


def numbers_of(targets: Shaped[np.ndarray, " example"], tolerance: float | None = None) -> Numbers:
    """Centre, spread and fifths of these numbers.

    Example:
        >>> found = numbers_of(np.arange(10.0))
        >>> round(found.tolerance, 3), found.names[0], found.names[-1]
        (0.718, 'below 1.8', '7.2 or more')
    """
    values = targets.astype(np.float64)
    edges = np.unique(np.quantile(values, np.arange(1, PARTS) / PARTS))
    deviation = float(values.std()) or 1.0
    shown = [f"{edge:.4g}".replace("-", "−") for edge in edges]
    between = [f"{low} to {high}" for low, high in pairwise(shown)]
    return Numbers(
        mean=float(values.mean()),
        deviation=deviation,
        tolerance=TOLERANCE * deviation if tolerance is None else tolerance,
        edges=edges,
        names=(f"below {shown[0]}", *between, f"{shown[-1]} or more"),
        given=tolerance is not None,
    )
