"""What a kind of target says of itself, and what follows from it everywhere else."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from jaxtyping import Float, Int, Shaped

Task = Literal["classes", "labels", "regression"]


class Learned(ABC):
    """What is learned of an example. The class is true of every such run, an instance of these training targets.

    `task` names it in options and run folders, `says` in sentences. `of_classes` is true where an example has one
    class, `numeric` where answers have errors and no probabilities, `several` where one value does not give the target.
    """

    task: ClassVar[Task | Literal["text"]]
    says: ClassVar[str]
    of_classes: ClassVar[bool] = False
    numeric: ClassVar[bool] = False
    several: ClassVar[bool] = False

    @abstractmethod
    def index(self, targets: Shaped[np.ndarray, "example *label"]) -> Int[np.ndarray, " example"]:
        """Where in `kind_names` each example belongs."""

    @abstractmethod
    def learned(self, targets: Shaped[np.ndarray, "example *label"]) -> Shaped[np.ndarray, "example *label"]:
        """What a network is trained towards."""

    @abstractmethod
    def kind_names(self, class_names: tuple[str, ...]) -> tuple[str, ...]:
        """The names of the classes, of the sets of labels, or of the fifths of the numbers."""

    @abstractmethod
    def shown(self, targets: Shaped[np.ndarray, "example *label"], class_names: tuple[str, ...]) -> str:
        """How many of what an example has, in a few words."""

    @abstractmethod
    def facts(self, class_names: Sequence[str]) -> dict[str, Any]:
        """What a manifest says of targets that are no classes."""

    @abstractmethod
    def notes(self, targets: Shaped[np.ndarray, "example *label"], class_names: tuple[str, ...]) -> tuple[str, ...]:
        """What a person should know before training; never a reason to stop."""

    def digested(self) -> str:
        """What enters the fingerprint of a dataset beside its targets."""
        return f"{self.task}\n"

    def outputs(self, targets: Shaped[np.ndarray, "example *label"], class_names: tuple[str, ...]) -> int:
        """How many numbers a network answers with."""
        return len(class_names)

    def number(self, targets: Shaped[np.ndarray, "example *label"]) -> Float[np.ndarray, " example"] | None:
        """The number that stands for each example; None where targets are no numbers."""
        return None

    def spread(self) -> Any:
        """The unit, or one of each column, in which two targets are far from each other or near."""
        return 1.0

    def asked_tolerance(self) -> float | None:
        """The tolerance that was asked for; None where there is none, or where it follows from the targets."""
        return None

    def weights(self, targets: Shaped[np.ndarray, "example *label"], class_names: tuple[str, ...]) -> tuple[float, ...]:
        """What balances an objective; nothing where targets are numbers."""
        return ()
