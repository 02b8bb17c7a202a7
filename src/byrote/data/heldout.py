"""Held-out data: whether they fit the training data, and whether they are really held out."""

from __future__ import annotations

import numpy as np

from byrote.data.blocks import range_of
from byrote.data.dataset import BRIGHTEST, Dataset
from byrote.data.task import TASKS
from byrote.errors import BadInput

#: By these, or by nothing, images are divided whose type says their range.
OF_TYPES = frozenset({1.0, 255.0, 65535.0})


def refuse_unfit(heldout: Dataset, dataset: Dataset) -> None:
    """Refuse held-out data of other classes or another shape, or all of which are training data.

    Raises:
        BadInput: they are.
    """
    if heldout.task != dataset.task:
        raise BadInput(
            f"The held-out dataset has {TASKS[heldout.task]}, the training data {TASKS[dataset.task]}.",
            hint="make both with the same task.",
        )
    if heldout.class_names != dataset.class_names:
        raise BadInput(
            f"The held-out dataset has the classes {heldout.class_names}, the training data {dataset.class_names}.",
            hint="give both the same class_names.",
        )
    shapes = [data.inputs.shape[1:] for data in (heldout, dataset)]
    if shapes[0] != shapes[1]:
        raise BadInput(
            f"The held-out dataset has inputs of shape {shapes[0]}, the training data of shape {shapes[1]}.",
            hint="prepare both alike.",
        )
    _refuse_other_range(heldout, dataset)
    if all_shared(heldout, dataset):
        raise BadInput(
            f"All {len(heldout)} examples of the held-out dataset are also training data.",
            hint="hold out examples that are in no training set, or leave out heldout.",
        )


def _refuse_other_range(heldout: Dataset, dataset: Dataset) -> None:
    """Refuse held-out images that were divided by another number, or are ten times as bright as the others or a tenth.

    Raises:
        BadInput: they are.
    """
    if dataset.display.kind != "image":
        return
    divided = {data.divided_by for data in (heldout, dataset)}
    if len(divided) > 1 and (1 not in divided or not divided <= OF_TYPES):
        raise BadInput(
            f"The held-out images were divided by {heldout.divided_by:g}, the training images by "
            f"{dataset.divided_by:g}: their numbers go from 0 to 1 by the largest of each.",
            hint="give both as one type that says its range: images.astype(np.uint8) for 0 to 255, np.uint16 for 0 to "
            "65535; or divide both by the same number before.",
        )
    largest = [max(map(abs, range_of(data.inputs))) for data in (heldout, dataset)]
    if max(largest) > BRIGHTEST * min(largest) > 0:
        raise BadInput(
            f"The held-out images hold numbers up to {largest[0]:g}, the training images up to {largest[1]:g}.",
            hint="prepare both alike, from arrays of one type.",
        )


def all_shared(heldout: Dataset, dataset: Dataset) -> bool:
    """Whether every held-out example is also one of training."""
    return _shared(heldout, dataset) == len(heldout)


def shared_with(heldout: Dataset, dataset: Dataset) -> tuple[str, ...]:
    """A note where some held-out examples are also training data."""
    shared = _shared(heldout, dataset)
    if not shared:
        return ()
    return (
        f"{shared} of the {len(heldout)} held-out examples are also training data, so that held-out accuracy is "
        "too high.",
    )


def _shared(heldout: Dataset, dataset: Dataset) -> int:
    return int(np.isin(heldout.contents(), dataset.contents()).sum())
