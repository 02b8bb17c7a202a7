"""What a source gives: examples to train on, others held out, and what there is to know of how they were read."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from byrote.data.blocks import deviation_of_rows, mean_of_rows
from byrote.data.dataset import Dataset, Display, rounded
from byrote.data.digits import stratified
from byrote.data.features import Encoding
from byrote.data.mapped import built
from byrote.data.task import scale_of
from byrote.data.vocabulary import Vocabulary
from byrote.errors import BadInput

HELD_OUT: Final = 0.2
#: A class of more than this share of the examples is told of.
DOMINANT: Final = 0.8
#: With fewer groups the halves of an ensemble repeat, and one group weighs much.
FEW_GROUPS: Final = 20


@dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """Training and held-out examples of one source, `notes` a person should read, and how the inputs were made.

    `encoding` was fitted on the training examples alone and encodes new ones the same way; None where inputs are
    taken as they are.
    """

    training: Dataset
    heldout: Dataset | None
    notes: tuple[str, ...] = ()
    encoding: Encoding | Vocabulary | None = None

    def __repr__(self) -> str:
        held = 0 if self.heldout is None else len(self.heldout)
        return f"Split({self.training!r}, {held} held out, {len(self.notes)} notes)"


def held_out(
    targets: Int[np.ndarray, " example"], groups: Shaped[np.ndarray, " example"] | None, *, share: float, seed: int
) -> Bool[np.ndarray, " example"]:
    """Which examples are held out: a share of every class, or whole groups of about that share where there are any.

    No group whose examples are the last of a class is taken.

    Example:
        >>> held_out(np.array([0, 0, 1, 1]), np.array(["a", "a", "b", "b"]), share=0.5, seed=0)
        array([False, False, False, False])

    Raises:
        BadInput: the share is none.
    """
    if not 0 <= share < 1:
        raise BadInput(
            f"The 'heldout' argument must be a share in [0, 1). Got {share}.", hint="0.2 holds out a fifth, 0 nothing."
        )
    rng = np.random.default_rng([seed, 5])
    return stratified(targets, share=share, rng=rng) if groups is None else _whole_groups(targets, groups, share, rng)


def _whole_groups(
    targets: np.ndarray, groups: np.ndarray, share: float, rng: np.random.Generator
) -> Bool[np.ndarray, " example"]:
    index = np.unique(groups, return_inverse=True)[1]
    rows_of = np.split(np.argsort(index, kind="stable"), np.cumsum(np.bincount(index))[:-1])
    goal, left = round(share * len(targets)), np.bincount(targets)
    chosen = np.zeros(len(targets), bool)
    for group in rng.permutation(len(rows_of)):
        rows = rows_of[group]
        classes, counts = np.unique(targets[rows], return_counts=True)
        if len(rows) <= goal and (left[classes] > counts).all():
            chosen[rows] = True
            left[classes] -= counts
            goal -= len(rows)
    return chosen


def split(
    whole: Dataset,
    held: Bool[np.ndarray, " example"],
    *,
    notes: tuple[str, ...] = (),
    encoding: Encoding | Vocabulary | None = None,
) -> Split:
    """The dataset in two, as the mask says."""
    if not held.any():
        return Split(training=whole, heldout=None, notes=(*notes, "No example is held out."), encoding=encoding)
    training, heldout = whole.subset(~held), whole.subset(held).replace(name=f"{whole.name}-held-out")
    note = (
        f"{len(heldout)} of {len(whole)} examples are held out: no model trains on them, and none of them has a score."
    )
    scale = scale_of(whole.task, training.targets, whole.class_names, whole.scale.asked_tolerance())
    training, heldout = training.replace(scale=scale), heldout.replace(scale=scale)
    return Split(training=training, heldout=heldout, notes=(*notes, note), encoding=encoding)


@dataclass(frozen=True, eq=False)
class ScaledDisplay(Display):
    """A row of centred and scaled numbers, shown as they were before, with the digits that are left of them."""

    mean: Float[np.ndarray, "..."] = field(default_factory=lambda: np.zeros(1), repr=False)
    scale: Float[np.ndarray, "..."] = field(default_factory=lambda: np.ones(1), repr=False)

    def cells(self, id: str, example: Float[np.ndarray, "..."]) -> tuple[tuple[str, str], ...]:  # noqa: A002
        """Names and values of one example, as text."""
        before = example.astype(np.float64) * self.scale + self.mean
        largest = np.maximum(np.abs(self.mean), self.scale)
        return super().cells(id, rounded(before, largest))


def standardised(read: Split) -> Split:
    """The same with every feature centred and scaled by the training examples; a constant one becomes 0."""
    mean, deviation = mean_of_rows(read.training.inputs), deviation_of_rows(read.training.inputs)
    scale = np.where(deviation > 0, deviation, 1.0)

    def scaled(dataset: Dataset) -> Dataset:
        display = ScaledDisplay(**vars(dataset.display), mean=mean, scale=scale)
        inputs = built(dataset.inputs.shape, np.float32, lambda rows: (dataset.inputs[rows] - mean) / scale)
        return dataset.replace(inputs=inputs, display=display)

    return replace(
        read,
        training=scaled(read.training),
        heldout=None if read.heldout is None else scaled(read.heldout),
        notes=(*read.notes, "Features are centred and scaled by the training examples."),
    )


def balance(dataset: Dataset) -> tuple[str, ...]:
    """A sentence where one class holds most of the examples, for accuracy then says little.

    Example:
        >>> from byrote.data.arrays import from_arrays
        >>> balance(from_arrays([[0.0]] * 9, ["no"] * 8 + ["yes"]))[0][:48]
        "88 % of the examples are of the class 'no': a ne"
    """
    if not dataset.scale.of_classes:
        return ()
    counts = np.bincount(dataset.targets, minlength=dataset.classes)
    share = counts.max() / len(dataset)
    if share <= DOMINANT:
        return ()
    name = dataset.class_names[int(counts.argmax())]
    return (
        f"{int(100 * share)} % of the examples are of the class {name!r}: a network that always says so is right as "
        "often, so look at each class by itself.",
    )


def few_groups(dataset: Dataset) -> tuple[str, ...]:
    """A sentence where the groups are few, for then few halves of whole groups differ."""
    count = 0 if dataset.groups is None else len(np.unique(dataset.groups))
    if not 0 < count < FEW_GROUPS:
        return ()
    return (
        f"There are {count} groups: models train on whole groups, so a score is about few persons or documents, and "
        "its error says less than it seems.",
    )
