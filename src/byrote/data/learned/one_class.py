"""One class per example."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Int, Shaped

from byrote.data.learned.contract import Learned, Task
from byrote.data.problems import counted, quoted
from byrote.data.spelling import alike_said


class OneClass(Learned):
    """A class index an example; there is nothing to know of the training targets as a whole."""

    task: ClassVar[Task] = "classes"
    says: ClassVar[str] = "one class per example"
    of_classes: ClassVar[bool] = True

    def index(self, targets: Shaped[np.ndarray, "example *label"]) -> Int[np.ndarray, " example"]:
        """The class."""
        return targets

    def learned(self, targets: Shaped[np.ndarray, "example *label"]) -> Shaped[np.ndarray, "example *label"]:
        """The class."""
        return targets

    def kind_names(self, class_names: tuple[str, ...]) -> tuple[str, ...]:
        """The names of the classes."""
        return class_names

    def shown(self, targets: Shaped[np.ndarray, "example *label"], class_names: tuple[str, ...]) -> str:
        """The number of classes."""
        return f"{len(class_names)} classes"

    def facts(self, class_names: Sequence[str]) -> dict[str, Any]:
        """Nothing: a manifest that says nothing is about classes."""
        return {}

    def digested(self) -> str:
        """Nothing."""
        return ""

    def weights(self, targets: Shaped[np.ndarray, "example *label"], class_names: tuple[str, ...]) -> tuple[float, ...]:
        """N / (k n_c) for the n_c of n examples in one of the k classes that there are; 1 for the others."""
        counts = np.bincount(targets, minlength=len(class_names))
        each = len(targets) / ((counts > 0).sum() * np.maximum(counts, 1))
        return tuple(np.where(counts > 0, each, 1.0).tolist())

    def notes(self, targets: Shaped[np.ndarray, "example *label"], class_names: tuple[str, ...]) -> tuple[str, ...]:
        """Classes of a single example, or of none, and those whose names are nearly the same."""
        counts = np.bincount(targets, minlength=len(class_names))
        single = [class_names[label] for label in np.flatnonzero(counts == 1)]
        empty = [class_names[label] for label in np.flatnonzero(counts == 0)]
        sentences = []
        if single:
            they = ("It is", "it is") if len(single) == 1 else ("They are", "they are")
            have = counted(len(single), "class has", "classes have")
            sentences.append(
                f"{have} a single example: {quoted(single, limit=5)}. "
                f"{they[0]} the long tail that byrote exists for; {they[1]} kept."
            )
        if empty:
            have = counted(len(empty), "class has", "classes have")
            sentences.append(f"{have} no example: {quoted(empty, limit=5)}.")
        by_name = dict(zip(class_names, counts.tolist(), strict=True))
        return (*sentences, *alike_said("classes", by_name, ("example", "examples")))
