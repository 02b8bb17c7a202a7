"""What a person decided about examples, as a report exports it: relabel some, remove some, or go through a list."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Int

from byrote.changes.change import Context
from byrote.data.controls import LABEL_NOISE, Controls
from byrote.data.dataset import Dataset
from byrote.data.decisions import (
    RELABEL,
    REMOVE,
    REVIEW,
    Decision,
    number_of,
    read_decisions,
    refuse_classes,
    refuse_strangers,
)
from byrote.data.problems import quoted
from byrote.errors import BadInput


@dataclass(frozen=True)
class _OfFile:
    """What all three share; `usual` is the action of a line that names none, and for all but a review the only one."""

    file: Path
    usual: ClassVar[str] = REVIEW
    aimed: ClassVar[bool] = False

    def apply(self, stage: Dataset, context: Context) -> Dataset:
        """The dataset as the file decides.

        Raises:
            BadInput: the file cannot be used, is about other examples or classes, or decides nothing.
        """
        return decided(
            stage, read_decisions(self.file, usual=self.usual), only="" if self.usual == REVIEW else self.usual
        )


@dataclass(frozen=True)
class Relabel(_OfFile):
    """Give the examples of a file their new labels: its column `new_label`, or what models without them say."""

    usual: ClassVar[str] = RELABEL
    stage: ClassVar[str] = "dataset"
    name: ClassVar[str] = "relabel"
    any_target: ClassVar[bool] = True


@dataclass(frozen=True)
class Remove(_OfFile):
    """Leave out the examples of a file."""

    usual: ClassVar[str] = REMOVE
    stage: ClassVar[str] = "dataset"
    name: ClassVar[str] = "remove"
    any_target: ClassVar[bool] = True


@dataclass(frozen=True)
class Review(_OfFile):
    """Do with each example of a file what its column `action` says: relabel, remove, or review, which leaves it."""

    stage: ClassVar[str] = "dataset"
    name: ClassVar[str] = "review"
    any_target: ClassVar[bool] = True


def decided(dataset: Dataset, decisions: tuple[Decision, ...], *, only: str = "") -> Dataset:
    """The dataset with these decisions applied; with `only`, all of them must be of that action.

    Raises:
        BadInput: one is of another action, or about no example or class of the dataset, or nothing is decided.
    """
    other = sorted({one.action for one in decisions if only and one.action != only})
    if other:
        raise BadInput(
            f"The file has examples to {quoted(other)}, where all are to {only}.", hint="--with review=FILE does each."
        )
    refuse_strangers(decisions, dataset.ids.tolist(), f"the dataset {dataset.name!r}")
    new = [one for one in decisions if one.action == RELABEL]
    gone = dataset.index_of(one.example for one in decisions if one.action == REMOVE)
    if not new and not len(gone):
        raise BadInput("Nothing is decided.", hint="write relabel or remove into the column `action` of some examples.")
    changed = relabelled(dataset, new) if new else dataset
    return changed.subset(np.setdiff1d(np.arange(len(dataset)), gone)) if len(gone) else changed


def relabelled(dataset: Dataset, decisions: list[Decision]) -> Dataset:
    """The dataset with new targets; a planted label error that is set right again is planted no more.

    Raises:
        BadInput: a new label is no class or number, or the examples have several labels each.
    """
    rows = dataset.index_of(one.example for one in decisions)
    targets = np.array(dataset.targets)
    if dataset.scale.several:
        raise BadInput(
            f"The examples of {dataset.name!r} have several targets each, and a file gives one.",
            hint="change the data themselves, or leave the examples out with remove=FILE.",
        )
    numeric = dataset.scale.numeric
    targets[rows] = np.array([number_of(one) for one in decisions]) if numeric else _classes(dataset, decisions)
    changed = dataset.replace(targets=targets)
    return changed.replace(controls=without_mended(changed))


def without_mended(dataset: Dataset) -> Controls:
    """The controls without label noise on examples whose label is the true one."""
    controls = dataset.controls
    if not dataset.scale.of_classes:
        return controls
    true = controls.true_labels(dataset.ids, dataset.targets, dataset.class_names)
    noisy: Bool[np.ndarray, " example"] = controls.mask(dataset.ids, LABEL_NOISE)
    mended = dataset.ids[noisy & (true == dataset.targets)]
    keep = ~((controls.kind == LABEL_NOISE) & np.isin(controls.example, mended))
    return Controls(controls.example[keep], controls.kind[keep], controls.original[keep])


def _classes(dataset: Dataset, decisions: list[Decision]) -> Int[np.ndarray, " decided"]:
    refuse_classes(decisions, dataset.class_names, dataset.name)
    number = {name: label for label, name in enumerate(dataset.class_names)}
    return np.array([number[one.new] for one in decisions], np.int64)
