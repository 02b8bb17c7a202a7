"""What a person decided about examples, as a report exports it: relabel some, remove some, or go through a list."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, TypeVar

import numpy as np
from jaxtyping import Bool, Int

from byrote.changes.change import Context
from byrote.data.controls import LABEL_NOISE, Controls
from byrote.data.corpus import Corpus
from byrote.data.dataset import Dataset
from byrote.data.decisions import (
    RELABEL,
    REMOVE,
    REVIEW,
    Decision,
    number_of,
    of_several,
    read_decisions,
    refuse_classes,
    refuse_strangers,
    rows_like,
    without_labels,
)
from byrote.data.problems import quoted
from byrote.errors import BadInput

Data = TypeVar("Data", Corpus, Dataset)


@dataclass(frozen=True)
class _OfFile:
    """What all three share; `usual` is the action of a line that names none, and for all but a review the only one."""

    file: Path
    usual: ClassVar[str] = REVIEW
    aimed: ClassVar[bool] = False

    def apply(self, stage: Data, context: Context) -> Data:
        """The dataset, or the corpus, as the file decides.

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
    """Leave out the examples, or documents, of a file."""

    usual: ClassVar[str] = REMOVE
    stage: ClassVar[str] = "dataset"
    name: ClassVar[str] = "remove"
    any_target: ClassVar[bool] = True
    of_text: ClassVar[bool] = True


@dataclass(frozen=True)
class Review(_OfFile):
    """Do with each example of a file what its column `action` says: relabel, remove, or review, which leaves it.

    Documents have no label, and are removed or left.
    """

    stage: ClassVar[str] = "dataset"
    name: ClassVar[str] = "review"
    any_target: ClassVar[bool] = True
    of_text: ClassVar[bool] = True


def decided(stage: Data, decisions: tuple[Decision, ...], *, only: str = "") -> Data:
    """The dataset or corpus with these decisions applied; with `only`, all of them must be of that action.

    Raises:
        BadInput: one is of another action, or about no example or class of the dataset, or nothing is decided.
    """
    other = sorted({one.action for one in decisions if only and one.action != only})
    if other:
        raise BadInput(
            f"The file has examples to {quoted(other)}, where all are to {only}.", hint="--with review=FILE does each."
        )
    what = "corpus" if isinstance(stage, Corpus) else "dataset"
    refuse_strangers(decisions, stage.ids.tolist(), f"the {what} {stage.name!r}")
    new = [one for one in decisions if one.action == RELABEL]
    gone = np.isin(stage.ids, [one.example for one in decisions if one.action == REMOVE])
    if not new and not gone.any():
        raise BadInput("Nothing is decided.", hint="write relabel or remove into the column `action` of some examples.")
    if new:
        stage = relabelled(stage, new)
    return stage.subset(np.flatnonzero(~gone)) if gone.any() else stage


def relabelled(dataset: Data, decisions: list[Decision]) -> Data:
    """The dataset with new targets; a planted label error that is set right again is planted no more.

    Raises:
        BadInput: a new label is no class, set of labels or number, or examples have several numbers each, or no label.
    """
    if isinstance(dataset, Corpus):
        raise without_labels(decisions)
    rows = dataset.index_of(one.example for one in decisions)
    targets = np.array(dataset.targets)
    scale = dataset.scale
    if scale.of_classes:
        targets[rows] = _classes(dataset, decisions)
    elif not scale.numeric:
        names = scale.kind_names(dataset.class_names)
        targets[rows] = dataset.targets[rows_like(decisions, dataset.kinds, names, dataset.name)]
    elif scale.several:
        raise of_several(dataset.name)
    else:
        targets[rows] = np.array([number_of(one) for one in decisions])
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
