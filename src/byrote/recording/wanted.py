"""What a recorded training wants of each example, where that is not one class: any of several labels, or a number."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Int, Shaped
from torch import Tensor

from byrote.data.labels import read_targets
from byrote.data.problems import Problems
from byrote.data.targets import refuse_tolerance
from byrote.data.task import LabelSets, Numbers, Task, scale_of
from byrote.errors import BadInput
from byrote.probes.judging import Judge, judge_of

#: A target is another example's, and not only rounded, that is off by more than this share of the deviation.
_OFF = 0.01
HINT = "ids are positions in the dataset, not in the batch, and labels=… holds the targets as the loop has them."


@dataclass(frozen=True, kw_only=True, eq=False)
class Wanted:
    """Targets [example] that are numbers, or [example, label] of 0 and 1, and how answers to them are judged."""

    targets: Shaped[np.ndarray, "example *label"]
    scale: LabelSets | Numbers
    label_names: tuple[str, ...]

    @property
    def task(self) -> Task:
        """What they are."""
        return self.scale.task

    @property
    def outputs(self) -> int:
        """How many numbers a model answers with."""
        return len(self.label_names) or 1

    @property
    def kinds(self) -> Int[np.ndarray, " example"]:
        """The set of labels, or the fifth of the numbers, that each example belongs to."""
        return self.scale.index(self.targets)

    @property
    def judge(self) -> Judge:
        """Reads answers in the unit of the targets."""
        if isinstance(self.scale, Numbers):
            return judge_of(dataclasses.replace(self.scale, mean=0.0, deviation=1.0))
        return judge_of(self.scale)

    def batch(self, logits: Tensor, targets: Any) -> tuple[Tensor, Tensor]:
        """`logits[batch, output]` and `targets[batch]` or `[batch, label]`, as floats.

        Raises:
            BadInput: they are of another shape, or no numbers.
        """
        try:
            given = torch.as_tensor(targets).detach()
        except (TypeError, ValueError, RuntimeError) as error:
            raise BadInput(f"The targets of a batch must be numbers. Got {targets!r:.80}.", hint=HINT) from error
        if self.task == "regression":
            logits = logits[:, None] if logits.ndim == 1 else logits
            given = given.squeeze(1) if given.ndim == 2 and given.shape[1] == 1 else given
        wanted = (len(logits), *self.targets.shape[1:])
        if logits.ndim != 2 or logits.shape[1] != self.outputs or tuple(given.shape) != wanted:
            shape = "[batch]" if self.task == "regression" else f"[batch, {self.outputs}]"
            raise BadInput(
                f"A recorder of {self.said} takes answers and targets {shape}. Got shapes {tuple(logits.shape)} and "
                f"{tuple(given.shape)}.",
                hint="answers are logits, one a label." if self.task == "labels" else "one number an example.",
            )
        if not logits.is_floating_point() or given.is_complex():
            raise BadInput(
                f"Answers must be floats and targets numbers. Got {logits.dtype} and {given.dtype}.",
                hint="give what the loss is taken of.",
            )
        return logits, given

    @property
    def said(self) -> str:
        """In words."""
        return "several labels an example" if self.task == "labels" else "numbers"

    def refuse_others(self, example: Int[np.ndarray, " shown"], given: Shaped[np.ndarray, "shown *label"]) -> None:
        """Refuse targets that are another example's; those that are rounded are fine.

        Raises:
            BadInput: with the first.
        """
        truth = self.targets[example]
        spread = self.scale.deviation if isinstance(self.scale, Numbers) else 1.0
        off = ~(np.abs(given - truth) <= _OFF * spread + np.abs(truth) * torch.finfo(torch.bfloat16).eps)
        wrong = np.flatnonzero(off.reshape(len(example), -1).any(1))
        if len(wrong):
            one = wrong[0]
            raise BadInput(
                f"Example {example[one]} came with the target {given[one]}, and labels has {truth[one]}.", hint=HINT
            )


def wanted_of(labels: Any, class_names: Sequence[str] | None, tolerance: float | None, examples: int) -> Wanted | None:
    """What these labels of all examples want; None where they are classes, or not known.

    A column an example of 0 and 1 are labels of which it has any; decimal numbers, or any with a tolerance, numbers to
    be predicted.

    Raises:
        BadInput: they are neither, or not as many as there are examples.
    """
    given = np.zeros(0, np.int64) if labels is None else np.asarray(labels)
    if given.ndim != 2 and given.dtype.kind != "f" and tolerance is None:
        return None
    task: Task = "labels" if given.ndim == 2 else "regression"
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
    assert scale is not None
    return Wanted(targets=read.targets, scale=scale, label_names=read.class_names)
