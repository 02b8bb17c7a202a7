"""The tasks by name, and the kind of target that each stands for."""

from __future__ import annotations

from typing import ClassVar, Final, Literal

import numpy as np
from jaxtyping import Shaped

from byrote.data.learned.contract import Learned as Learned
from byrote.data.learned.contract import Task as Task
from byrote.data.learned.label_sets import LabelSets, label_sets
from byrote.data.learned.numbers import Numbers, numbers_of
from byrote.data.learned.one_class import OneClass
from byrote.data.learned.several_numbers import SeveralNumbers, several_numbers_of
from byrote.errors import BadInput

TASKS: Final[dict[Task, str]] = {one.task: one.says for one in (OneClass, LabelSets, Numbers)}


class NextToken(Learned):
    """The next token of a document. A corpus holds its targets, so that there is no instance."""

    task: ClassVar[Literal["text"]] = "text"
    says: ClassVar[str] = "the next token"


#: Kinds of target by task; of numbers, whether an example has several.
_LEARNED: Final[dict[str, tuple[type[Learned], type[Learned]]]] = {
    **{one.task: (one, one) for one in (OneClass, LabelSets, NextToken)},
    Numbers.task: (Numbers, SeveralNumbers),
}


def learned_of(task: str, *, several: bool = False) -> type[Learned]:
    """The kind of target of a task; `several` numbers an example are a kind of their own.

    Example:
        >>> learned_of("regression").says, learned_of("text").says
        ('one number per example', 'the next token')
    """
    return _LEARNED[task][several]


def scale_of(
    task: Task,
    targets: Shaped[np.ndarray, "example *label"],
    class_names: tuple[str, ...],
    tolerance: float | None = None,
) -> Learned:
    """What is learned of an example, and how answers are judged, where these are the training targets."""
    learned = learned_of(task, several=targets.ndim > 1 and task == Numbers.task)
    if learned is LabelSets:
        return label_sets(targets, class_names)
    if not learned.numeric:
        return OneClass()
    return several_numbers_of(targets, tolerance) if learned.several else numbers_of(targets, tolerance)


def refuse_other_tasks(task: Task, name: str, what: str, hint: str = "take data of one class per example.") -> None:
    """Refuse data whose examples do not have one class each, for something that is about classes.

    Raises:
        BadInput: the data of that name are such.
    """
    if not learned_of(task).of_classes:
        raise BadInput(f"{what} is about one class per example, and {name!r} has {TASKS[task]}.", hint=hint)
