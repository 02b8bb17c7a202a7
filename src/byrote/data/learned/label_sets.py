"""Several labels per example, which it has or has not: to each set of them an example belongs as to a class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
from jaxtyping import Bool, Int, Shaped

from byrote.data.learned.contract import Learned, Task
from byrote.data.problems import counted

#: Names of sets of labels: of none, and of one that no training example has.
NO_LABEL: Final = "no label"
ANOTHER: Final = "another set of labels"


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelSets(Learned):
    """The different sets of labels that training examples have."""

    sets: Bool[np.ndarray, "set label"]
    names: tuple[str, ...]
    task: ClassVar[Task] = "labels"
    says: ClassVar[str] = "several labels per example, each 0 or 1"
    several: ClassVar[bool] = True

    def index(self, targets: Shaped[np.ndarray, "example *label"]) -> Int[np.ndarray, " example"]:
        """The set of each example; of one that no training example has, the number of sets."""
        known = {one.tobytes(): number for number, one in enumerate(self.sets)}
        rows = np.ascontiguousarray(targets, bool)
        return np.fromiter((known.get(row.tobytes(), len(self.sets)) for row in rows), np.int64, len(rows))

    def learned(self, targets: Shaped[np.ndarray, "example *label"]) -> Shaped[np.ndarray, "example *label"]:
        """0 and 1."""
        return targets.astype(np.float32)

    def kind_names(self, class_names: tuple[str, ...]) -> tuple[str, ...]:
        """The names of the sets."""
        return self.names

    def shown(self, targets: Shaped[np.ndarray, "example *label"], class_names: tuple[str, ...]) -> str:
        """The number of labels."""
        return f"{len(class_names)} labels"

    def facts(self, class_names: Sequence[str]) -> dict[str, Any]:
        """The task and the names of the labels; `class_names` of a manifest are those of the sets."""
        return {"task": self.task, "label_names": list(class_names)}

    def weights(self, targets: Shaped[np.ndarray, "example *label"], class_names: tuple[str, ...]) -> tuple[float, ...]:
        """(n - n_l) / n_l for the n_l of n examples that have a label; 1 for labels of all examples or of none."""
        having = targets.sum(axis=0).astype(np.float64)
        weights = (len(targets) - having) / np.maximum(having, 1)
        return tuple(np.where((having > 0) & (weights > 0), weights, 1.0).tolist())

    def notes(self, targets: Shaped[np.ndarray, "example *label"], class_names: tuple[str, ...]) -> tuple[str, ...]:
        """When an answer counts as right, and labels that one example has, or none, or all."""
        having = targets.sum(axis=0)
        sentences = [
            f"An example has any of {len(class_names)} labels; an answer counts as right where all of them are, so "
            "that label memorization is about the whole set. label_memorization[label_accuracy] counts the labels one "
            "by one."
        ]
        for count, words in ((1, "a single example"), (0, "no example")):
            names = [class_names[label] for label in np.flatnonzero(having == count)]
            if names:
                shown = ", ".join(map(repr, names[:5])) + (", …" if len(names) > 5 else "")
                sentences.append(f"{counted(len(names), 'label has', 'labels have')} {words}: {shown}.")
        everyone = [class_names[label] for label in np.flatnonzero(having == len(targets))]
        if everyone:
            sentences.append(f"Every example has the label {', '.join(map(repr, everyone[:5]))}.")
        return tuple(sentences)


def label_sets(targets: Shaped[np.ndarray, "example label"], label_names: tuple[str, ...]) -> LabelSets:
    """The sets of labels there are, with names.

    Example:
        >>> label_sets(np.array([[1, 0], [1, 1], [1, 0], [0, 0]]), ("red", "round")).names
        ('no label', 'red', 'red + round', 'another set of labels')
    """
    sets = np.unique(targets.astype(bool), axis=0)
    names = [" + ".join(name for name, has in zip(label_names, one, strict=True) if has) or NO_LABEL for one in sets]
    return LabelSets(sets=sets, names=(*names, ANOTHER))
