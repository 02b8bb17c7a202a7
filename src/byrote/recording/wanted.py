"""What a recorded training wants of each example: a class, any of several labels, or numbers; and how it is judged."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from byrote.data.labels import read_targets
from byrote.data.learned.one_class import OneClass
from byrote.data.problems import Problems
from byrote.data.targets import refuse_tolerance
from byrote.data.task import Learned, Task, scale_of
from byrote.errors import BadInput
from byrote.probes.judging import BY_CLASS, Judge, judge_of
from byrote.recording.tally import UNLABELLED

#: A target is another example's, and not only rounded, that is off by more than this share of the deviation.
_OFF = 0.01
HINT = "ids are positions in the dataset, not in the batch, and labels=… holds the targets as the loop has them."
WITH_IDS = (
    "byrote.WithIds(dataset) adds positions to its items; targets are numbers of classes, or what Recorder(labels=…) "
    "holds of all examples: numbers to be predicted, or 0 and 1 by label."
)


class Wanted(ABC):
    """What is wanted of every example, and how answers are judged.

    `outputs` is how many numbers a model answers with, 0 while that is not known. `kinds` are the class, the set of
    labels or the fifth of the numbers of each example, as far as they are known beforehand.
    """

    outputs: int

    @property
    @abstractmethod
    def learned(self) -> type[Learned]:
        """What targets are."""

    @property
    def task(self) -> Task:
        """The name of that."""
        return cast(Task, self.learned.task)

    @property
    @abstractmethod
    def judge(self) -> Judge:
        """Reads answers in the unit of the targets."""

    @property
    @abstractmethod
    def kinds(self) -> Int[np.ndarray, " example"]:
        """What each example is known to belong to; -1 where it is not known."""

    @property
    def targets(self) -> np.ndarray | None:
        """The targets of all examples, where they are no classes."""
        return None

    @property
    def numbers(self) -> Float[np.ndarray, " example"] | None:
        """The number that stands for each example of a regression."""
        return None

    @abstractmethod
    def names(self, least: int) -> tuple[str, ...]:
        """What the kinds are called; `least` are as many as were seen."""

    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """What a manifest says of targets that are no classes."""

    @abstractmethod
    def batch(self, ids: Tensor, logits: Tensor, targets: Any) -> tuple[Tensor, Tensor]:
        """The answers [batch, output] and the targets of a batch whose shapes fit.

        Raises:
            BadInput: they do not.
        """

    def check(self, targets: Tensor) -> None:  # noqa: B027  # of most, `kind` says all
        """Look at values of targets.

        Raises:
            BadInput: there are no such targets.
        """

    def sound(self, targets: Tensor) -> Tensor:
        """Targets with which a device can compute, whatever they are; `check` tells later what is wrong with them."""
        return targets

    @abstractmethod
    def kind(
        self, example: Int[np.ndarray, " shown"], targets: Shaped[np.ndarray, "shown *label"]
    ) -> Int[np.ndarray, " shown"]:
        """What the examples of a batch belong to by the targets that they came with.

        Raises:
            BadInput: the targets are other examples'.
        """


class Classes(Wanted):
    """One class per example; which, the training may tell as it goes."""

    def __init__(self, labels: Any, class_names: Sequence[str] | None, examples: int) -> None:
        self.outputs = 0 if class_names is None else len(class_names)
        self._names = None if class_names is None else tuple(map(str, class_names))
        self._kinds = _classes(labels, examples)
        if self.outputs and self._kinds.max() >= self.outputs:
            raise beyond("label", int(self._kinds.max()), self.outputs)

    @property
    def learned(self) -> type[Learned]:
        """Classes."""
        return OneClass

    @property
    def judge(self) -> Judge:
        """By class."""
        return BY_CLASS

    @property
    def kinds(self) -> Int[np.ndarray, " example"]:
        """The labels that were given."""
        return self._kinds

    def names(self, least: int) -> tuple[str, ...]:
        """As they were given, or numbers."""
        return self._names or tuple(map(str, range(max(least, self.outputs))))

    def facts(self) -> dict[str, Any]:
        """None."""
        return {}

    def batch(self, ids: Tensor, logits: Tensor, targets: Any) -> tuple[Tensor, Tensor]:
        """`logits[batch, class]` and `targets[batch]`; the first batch tells how many classes there are."""
        if logits.ndim == 2 and tuple(getattr(targets, "shape", ())) == tuple(logits.shape):
            raise BadInput(
                f"Targets are numbers of classes [batch]. Got {tuple(logits.shape)}, a column for each class.",
                hint="targets.argmax(1) turns one-hot targets into numbers; where an example has several labels, "
                "Recorder(labels=…) takes those of all examples.",
            )
        given = indices("targets", targets)
        batch = (len(ids),) if ids.ndim == 1 else None
        if logits.ndim != 2 or given.ndim != 1 or batch != (len(logits),) or batch != (len(given),):
            raise BadInput(
                f"A recorder takes ids[batch], logits[batch, class] and targets[batch]. Got shapes {tuple(ids.shape)}, "
                f"{tuple(logits.shape)} and {tuple(given.shape)}.",
                hint="for one logit of two classes, torch.stack([torch.zeros_like(logit), logit], 1); targets are "
                "numbers of classes.",
            )
        if not logits.is_floating_point() or logits.shape[1] < 2:
            raise BadInput(
                f"Logits must be floats for 2 classes or more. Got {logits.dtype} for {logits.shape[1]}.",
                hint="give answers before softmax; of one logit, torch.stack([torch.zeros_like(logit), logit], 1).",
            )
        self.outputs = self.outputs or logits.shape[1]
        if logits.shape[1] != self.outputs:
            raise BadInput(
                f"Logits must be for {self.outputs} classes as before. Got {logits.shape[1]}.",
                hint="give the logits of all classes; another network takes another Recorder.",
            )
        return logits, given

    def check(self, targets: Tensor) -> None:
        """They are numbers of classes."""
        check_range("target", targets, self.outputs)

    def sound(self, targets: Tensor) -> Tensor:
        """No device would survive a class out of range."""
        return targets.clamp(0, self.outputs - 1)

    def kind(
        self, example: Int[np.ndarray, " shown"], targets: Shaped[np.ndarray, "shown *label"]
    ) -> Int[np.ndarray, " shown"]:
        """The class that each came with."""
        return targets.astype(np.int32)


@dataclass(frozen=True, kw_only=True, eq=False)
class Scaled(Wanted):
    """Targets [example] or [example, output] that are numbers, or [example, label] of 0 and 1, known beforehand."""

    given: Shaped[np.ndarray, "example *label"]
    scale: Learned
    label_names: tuple[str, ...]

    @property
    def learned(self) -> type[Learned]:
        """What they are."""
        return type(self.scale)

    @property
    def outputs(self) -> int:  # type: ignore[override]
        """As many as there are labels or numbers."""
        return 1 if self.given.ndim == 1 else self.given.shape[1]

    @property
    def judge(self) -> Judge:
        """Of several numbers by their deviations; of one, and of labels, as it is."""
        return judge_of(self.scale, learned=False)

    @cached_property
    def kinds(self) -> Int[np.ndarray, " example"]:
        """The set of labels, or the fifth of the numbers."""
        return self.scale.index(self.given)

    @property
    def targets(self) -> np.ndarray | None:
        """As they were given."""
        return self.given

    @property
    def numbers(self) -> Float[np.ndarray, " example"] | None:
        """Of several the mean, once they are centred and scaled."""
        return self.scale.number(self.given)

    def names(self, least: int) -> tuple[str, ...]:
        """Of sets, or of fifths."""
        return self.scale.kind_names(self.label_names)

    def facts(self) -> dict[str, Any]:
        """How they are judged."""
        return self.scale.facts(self.label_names)

    def batch(self, ids: Tensor, logits: Tensor, targets: Any) -> tuple[Tensor, Tensor]:
        """`logits[batch, output]` and `targets[batch]` or `[batch, output]`, as floats."""
        try:
            given = torch.as_tensor(targets).detach()
        except (TypeError, ValueError, RuntimeError) as error:
            raise BadInput(f"The targets of a batch must be numbers. Got {targets!r:.80}.", hint=HINT) from error
        if self.given.ndim == 1:
            logits = logits[:, None] if logits.ndim == 1 else logits
            given = given.squeeze(1) if given.ndim == 2 and given.shape[1] == 1 else given
        wanted = (len(logits), *self.given.shape[1:])
        if logits.ndim != 2 or logits.shape[1] != self.outputs or tuple(given.shape) != wanted:
            what = "numbers" if self.learned.numeric else "several labels per example"
            shape = "[batch]" if self.given.ndim == 1 else f"[batch, {self.outputs}]"
            raise BadInput(
                f"A recorder of {what} takes answers and targets {shape}. Got shapes "
                f"{tuple(logits.shape)} and {tuple(given.shape)}.",
                hint="as many numbers per example as labels=… holds."
                if self.learned.numeric
                else "answers are logits, one per label.",
            )
        if not logits.is_floating_point() or given.is_complex():
            raise BadInput(
                f"Answers must be floats and targets numbers. Got {logits.dtype} and {given.dtype}.",
                hint="give what the loss is taken of.",
            )
        if tuple(ids.shape) != (len(logits),):
            raise BadInput(
                f"A recorder takes ids[batch]. Got shape {tuple(ids.shape)} for {len(logits)} answers.",
                hint="byrote.WithIds(dataset) adds positions to its items.",
            )
        return logits, given

    def kind(
        self, example: Int[np.ndarray, " shown"], targets: Shaped[np.ndarray, "shown *label"]
    ) -> Int[np.ndarray, " shown"]:
        """What is known of them, held against what they came with; rounding does no harm."""
        truth = self.given[example]
        off = ~(np.abs(targets - truth) <= _OFF * self.scale.spread() + np.abs(truth) * torch.finfo(torch.bfloat16).eps)
        wrong = np.flatnonzero(off.reshape(len(example), -1).any(1))
        if len(wrong):
            one = wrong[0]
            raise BadInput(
                f"Example {example[one]} has the target {targets[one]} in this batch, and {truth[one]} in labels.",
                hint=HINT,
            )
        known: np.ndarray = self.kinds[example]
        return known


def wanted_of(labels: Any, class_names: Sequence[str] | None, tolerance: float | None, examples: int) -> Wanted:
    """What these labels of all examples want; classes where there are none.

    A column an example of 0 and 1 are labels of which it has any; decimal numbers other than these, or any numbers
    with a tolerance, are numbers to be predicted, one or several an example.

    Raises:
        BadInput: they are none of this, or not as many as there are examples.
    """
    given = np.zeros(0, np.int64) if labels is None else np.asarray(labels)
    if given.ndim != 2 and given.dtype.kind != "f" and tolerance is None:
        return Classes(labels, class_names, examples)
    decimal = given.dtype.kind == "f" and not np.isin(given, (0, 1)).all()
    task: Task = "labels" if given.ndim == 2 and not decimal and tolerance is None else "regression"
    refuse_tolerance(tolerance, task)
    if len(given) != examples:
        raise BadInput(
            f"The 'labels' argument of Recorder must hold the targets of {examples} examples. Got {len(given)}.",
            hint="give the target of each example in the order of the dataset.",
        )
    problems = Problems("recorded")
    ids = np.arange(examples).astype(np.str_)
    read = read_targets(given, task, ids=ids, class_names=class_names, problems=problems)
    problems.settle()
    scale = scale_of(task, read.targets, read.class_names, tolerance)
    return Scaled(given=read.targets, scale=scale, label_names=read.class_names)


def indices(name: str, values: Any) -> Tensor:
    """Whole numbers of a batch.

    Raises:
        BadInput: they are none.
    """
    try:
        found = torch.as_tensor(values)
    except (TypeError, ValueError, RuntimeError) as error:
        raise BadInput(
            f"The {name!r} of a batch must be whole numbers. Got {values!r:.80}.",
            hint="byrote.WithIds(dataset) adds positions to its items; names go into Recorder(ids=…).",
        ) from error
    if found.is_floating_point() or found.is_complex() or found.dtype == torch.bool:
        raise BadInput(f"The {name!r} of a batch must be whole numbers. Got {found.dtype}.", hint=WITH_IDS)
    return found.detach()


def check_range(what: str, values: Tensor, size: int) -> None:
    """Refuse numbers that are not from 0 to one below the size.

    Raises:
        BadInput: with the first end that is beyond.
    """
    if len(values):
        low, high = (int(end) for end in torch.aminmax(values))
        if low < 0 or high >= size:
            raise beyond(what, low if low < 0 else high, size)


def beyond(what: str, value: int, size: int) -> BadInput:
    """What to say of a number that is out of range."""
    hint = "examples=len(dataset)." if what == "id" else "targets are numbers of classes, and none may be left out."
    return BadInput(f"Every {what} must lie in [0, {size}). Got {value}.", hint=hint)


def _classes(labels: Any, examples: int) -> Int[np.ndarray, " example"]:
    if labels is None:
        return np.full(examples, UNLABELLED, np.int32)
    given = np.asarray(labels)
    if given.shape != (examples,) or given.dtype.kind not in "iu" or given.min(initial=0) < 0:
        raise BadInput(
            f"The 'labels' argument of Recorder must be {examples} class numbers. Got {given.dtype}{given.shape}.",
            hint="give the class of each example as a whole number from 0 on, in the order of the dataset.",
        )
    return given.astype(np.int32)
