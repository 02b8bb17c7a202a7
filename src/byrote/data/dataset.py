"""Dataset: inputs, targets and stable ids, and how to show one example to a person."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int, Shaped

from byrote.data.blocks import range_of, row_blocks
from byrote.data.contents import contents
from byrote.data.controls import Controls
from byrote.data.learned.one_class import OneClass
from byrote.data.mapped import taken
from byrote.data.problems import counted, quoted
from byrote.data.spelling import alike_groups
from byrote.data.task import Learned, Task, scale_of
from byrote.data.trigger import Trigger
from byrote.errors import BadInput

#: Images are told of whose largest number, sign apart, is not between these.
DARKEST, BRIGHTEST = 0.1, 10.0


@dataclass(frozen=True)
class Display:
    """How one example is shown: an image of `shape` (H, W) or (H, W, 3), or a row of named numbers."""

    kind: Literal["image", "row"] = "row"
    shape: tuple[int, ...] = ()
    feature_names: tuple[str, ...] = ()

    def picture(self, example: Shaped[np.ndarray, "..."]) -> Shaped[np.ndarray, "..."]:
        """One example in the shape of `shape`: channels last, as flat inputs already lie.

        Example:
            >>> Display("image", (4, 5, 3)).picture(np.zeros((3, 4, 5))).shape
            (4, 5, 3)
        """
        channel_first = example.ndim == 3 and example.shape[0] in (1, 3) and example.shape[1:] == self.shape[:2]
        return (np.moveaxis(example, 0, -1) if channel_first else example).reshape(self.shape or example.shape)

    def cells(self, id: str, example: Float[np.ndarray, "..."]) -> tuple[tuple[str, str], ...]:  # noqa: A002
        """Names and values of a row, as text: a number with as many digits as it takes to tell it from others.

        Example:
            >>> Display(feature_names=("size",)).cells("a", np.array([4374.5], np.float32))
            (('size', '4374.5'),)
        """
        names = self.feature_names or tuple(f"feature {index}" for index in range(example.size))
        return tuple((str(name), number_said(value)) for name, value in zip(names, np.ravel(example), strict=True))


def number_said(value: float | np.floating) -> str:
    """A number in the fewest digits that stand for no other of its type.

    Example:
        >>> number_said(np.float32(0.1)), number_said(-2.0)
        ('0.1', '−2')
    """
    return str(value).removesuffix(".0").replace("-", "−")


def rounded(values: Float[np.ndarray, "*shape"], largest: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Values without the digits that float32 does not hold of numbers as large as these.

    Example:
        >>> rounded(np.array([5.1e-8, 4374.50002]), np.array([1.0, 2000.0])).tolist()
        [0.0, 4374.5]
    """
    unit = 10.0 ** (np.floor(np.log10(np.maximum(largest, 1e-300))) - 6)
    steps = np.round(values / unit) * unit
    return np.array([float(f"{one:.7g}") for one in steps.flat]).reshape(steps.shape)


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """Examples to learn from. The functions `from_…` check what they are given; a `Dataset` is trusted.

    Arrays are held as read-only views and never copied, so `inputs` may be memory-mapped. Images are
    channel-first.

    `task` says what `targets` are: class indices [example], 0 and 1 by label [example, label] (`class_names` are then
    the labels'), or numbers [example]. `scale` says how answers are judged; it is that of the examples at hand unless
    it is given, and subsets keep it. `divided_by` is the number that images were divided by. `trigger` is that of a
    backdoor, where one was planted.

    Example:
        >>> import byrote
        >>> byrote.from_arrays([[0.0], [1.0]], ['a', 'b'], ids=['x', 'y'])
        Dataset('arrays', 2 examples of 1, 2 classes)
    """

    name: str
    inputs: Shaped[np.ndarray, "example ..."]
    targets: Shaped[np.ndarray, "example *label"]
    ids: Shaped[np.ndarray, " example"]
    class_names: tuple[str, ...]
    groups: Shaped[np.ndarray, " example"] | None = None
    controls: Controls = field(default_factory=Controls)
    display: Display = field(default_factory=Display)
    task: Task = "classes"
    scale: Learned = field(default_factory=OneClass)
    divided_by: float = 1.0
    trigger: Trigger | None = None

    def __post_init__(self) -> None:
        if self.scale.task != self.task:
            object.__setattr__(self, "scale", scale_of(self.task, self.targets, self.class_names))
        for name in ("inputs", "targets", "ids", "groups"):
            array = getattr(self, name)
            if array is not None:
                object.__setattr__(self, name, _read_only(array))

    def __len__(self) -> int:
        return len(self.targets)

    def __repr__(self) -> str:
        shape = " × ".join(str(size) for size in self.inputs.shape[1:])
        what = self.scale.shown(self.targets, self.class_names)
        return f"Dataset({self.name!r}, {len(self)} examples of {shape}, {what})"

    @property
    def classes(self) -> int:
        """How many classes or labels there are, also those without an example here."""
        return len(self.class_names)

    @property
    def holds_images(self) -> bool:
        """Whether the inputs are images [example, channel, height, width]."""
        return self.display.kind == "image" and self.inputs.ndim == 4

    @property
    def outputs(self) -> int:
        """How many numbers a network answers with."""
        return self.scale.outputs(self.targets, self.class_names)

    @property
    def numbers(self) -> Float[np.ndarray, " example"] | None:
        """The number that a regression wants of each example; of several, what stands for them. None otherwise."""
        return self.scale.number(self.targets)

    @property
    def learned(self) -> Shaped[np.ndarray, "example *label"]:
        """What a network is trained towards: the targets of classes; 0 and 1, or centred and scaled, as float32."""
        return self.scale.learned(self.targets)

    @property
    def kinds(self) -> Int[np.ndarray, " example"]:
        """Where in `kind_names` each example belongs: its class, set of labels, or fifth of the numbers."""
        return self.scale.index(self.targets)

    @property
    def kind_names(self) -> tuple[str, ...]:
        """The names of the classes, of the sets of labels, or of the fifths."""
        return self.scale.kind_names(self.class_names)

    def fingerprint(self) -> str:
        """SHA-256 of what a model can learn from: inputs, targets, ids, class names, groups, in their order.

        Name, display and the record of the controls do not enter; what the controls did to the data does.
        """
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        digest = hashlib.sha256(b"byrote dataset 1\n" + self.scale.digested().encode())
        for array in (self.inputs, self.targets):
            dtype = array.dtype.newbyteorder("<")
            digest.update(f"{dtype.str} {array.shape}\n".encode())
            for rows in row_blocks(array):
                digest.update(np.ascontiguousarray(array[rows], dtype).data)
        for texts in (self.ids, self.class_names, self.groups):
            digest.update(b"none\n" if texts is None else f"{len(texts)}\n".encode())
            for text in () if texts is None else texts:
                encoded = str(text).encode("utf-8", "surrogatepass")
                digest.update(f"{len(encoded)}:".encode() + encoded)
        return digest.hexdigest()

    def contents(self) -> Shaped[np.ndarray, " example"]:
        """A digest of each example's input, whatever its id and label."""
        return self._contents

    @cached_property
    def _contents(self) -> Shaped[np.ndarray, " example"]:
        return contents(self.inputs)

    @cached_property
    def _order_of_ids(self) -> Int[np.ndarray, " example"]:
        return np.argsort(self.ids, kind="stable")

    def index_of(self, ids: Iterable[str]) -> Int[np.ndarray, " wanted"]:
        """The positions of these ids.

        Raises:
            BadInput: an id is not in the dataset.
        """
        wanted = np.array([str(one) for one in ids], np.str_)
        slots = np.searchsorted(self.ids, wanted, sorter=self._order_of_ids)
        positions = self._order_of_ids[np.minimum(slots, len(self) - 1)]
        absent = wanted[self.ids[positions] != wanted]
        if len(absent):
            has = counted(len(absent), "id is", "ids are")
            raise BadInput(
                f"{has} not in the dataset {self.name!r}: {quoted(absent)}.",
                hint="dataset.ids holds the ids that it has; they are texts.",
            )
        return positions

    def subset(self, indices: Shaped[np.ndarray, " selected"]) -> Dataset:
        """The examples at these positions (or where a mask is true), in that order, with their controls.

        Raises:
            BadInput: a position is given twice.
        """
        chosen = np.arange(len(self))[indices]
        if len(np.unique(chosen)) < len(chosen):
            values, counts = np.unique(chosen, return_counts=True)
            twice = quoted(self.ids[values[counts > 1]])
            raise BadInput(
                f"A subset of the dataset {self.name!r} must name an example once. Got {twice} repeatedly.",
                hint="name each once; np.unique(indices) removes what is repeated.",
            )
        ids = self.ids[chosen]
        return self.replace(
            inputs=taken(self.inputs, chosen),
            targets=self.targets[chosen],
            ids=ids,
            groups=None if self.groups is None else self.groups[chosen],
            controls=self.controls.restricted_to(ids),
        )

    def replace(self, **changes: Any) -> Dataset:
        """The same dataset with other fields, as `dataclasses.replace`."""
        return dataclasses.replace(self, **changes)


def notes(dataset: Dataset) -> tuple[str, ...]:
    """What a person should know before training; never a reason to stop."""
    groups = () if dataset.groups is None else alike_groups(dataset.groups, dataset.ids)
    learned = dataset.scale.notes(dataset.targets, dataset.class_names)
    return (*learned, *groups, *_range_notes(dataset))


def _range_notes(dataset: Dataset) -> tuple[str, ...]:
    """A sentence where the numbers of images are so large or so small that a network learns badly from them."""
    if dataset.display.kind != "image":
        return ()
    low, high = range_of(dataset.inputs)
    if DARKEST <= max(-low, high) <= BRIGHTEST or low == high:
        return ()
    return (
        f"Images are taken as they are, and their numbers go from {low:g} to {high:g}. A network learns badly from "
        "numbers so far from those between 0 and 1: divide the images by the largest number that they can have.",
    )


def _read_only(array: np.ndarray) -> np.ndarray:
    view = array.view()
    view.flags.writeable = False
    return view
