"""What is learned of an example: one class, several labels that it has or has not, or a number or several."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Final, Literal

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from byrote.data.problems import counted
from byrote.errors import BadInput

Task = Literal["classes", "labels", "regression"]
TASKS: Final[dict[Task, str]] = {
    "classes": "one class an example",
    "labels": "several labels an example, each 0 or 1",
    "regression": "a number an example",
}
#: A prediction is right that misses its number by at most this share of the training numbers' standard deviation.
TOLERANCE: Final = 0.25
#: Names of sets of labels: of none, and of one that no training example has.
NO_LABEL: Final = "no label"
ANOTHER: Final = "another set of labels"
#: Examples of a regression are told apart by fifths of the training numbers.
PARTS: Final = 5


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelSets:
    """The different sets of labels that training examples have: to each, an example belongs as to a class."""

    sets: Bool[np.ndarray, "set label"]
    names: tuple[str, ...]
    task: ClassVar[Task] = "labels"

    def index(self, targets: Shaped[np.ndarray, "example label"]) -> Int[np.ndarray, " example"]:
        """The set of each example; of one that no training example has, the number of sets."""
        known = {one.tobytes(): number for number, one in enumerate(self.sets)}
        rows = np.ascontiguousarray(targets, bool)
        return np.fromiter((known.get(row.tobytes(), len(self.sets)) for row in rows), np.int64, len(rows))

    def learned(self, targets: Shaped[np.ndarray, "example label"]) -> Float[np.ndarray, "example label"]:
        """What a network is trained towards: 0 and 1."""
        return targets.astype(np.float32)


@dataclass(frozen=True, kw_only=True, eq=False)
class Numbers:
    """Centre and spread of the training numbers, how near counts as right, and where their fifths begin.

    `given` says that the tolerance was asked for, and does not follow from the numbers.
    """

    mean: float
    deviation: float
    tolerance: float
    edges: Float[np.ndarray, " edge"]
    names: tuple[str, ...]
    given: bool = False
    task: ClassVar[Task] = "regression"

    def number(self, targets: Shaped[np.ndarray, "example *output"]) -> Float[np.ndarray, " example"]:
        """The number of each example."""
        return targets

    def index(self, targets: Shaped[np.ndarray, "example *output"]) -> Int[np.ndarray, " example"]:
        """The fifth in which each number lies."""
        return np.searchsorted(self.edges, self.number(targets), side="right").astype(np.int64)

    def learned(self, targets: Shaped[np.ndarray, "example *output"]) -> Float[np.ndarray, "example *output"]:
        """What a network is trained towards: numbers with mean 0 and deviation 1."""
        return ((targets - self.mean) / self.deviation).astype(np.float32)

    def facts(self) -> dict[str, float | int]:
        """What a manifest says of them."""
        return {name: getattr(self, name) for name in ("mean", "deviation", "tolerance")}


@dataclass(frozen=True, kw_only=True, eq=False)
class SeveralNumbers(Numbers):
    """Of several numbers an example: `means` and `deviations` of each, by which it is centred and scaled.

    Where one number must stand for an example it is the mean of these; `mean`, `deviation`, `edges` and `names` are of
    that one. An answer is right whose error is at most `tolerance`: the root of the mean of its squared errors, each in
    deviations of its number.
    """

    means: Float[np.ndarray, " output"]
    deviations: Float[np.ndarray, " output"]

    def number(self, targets: Shaped[np.ndarray, "example *output"]) -> Float[np.ndarray, " example"]:
        """The mean of the numbers of each example, once they are centred and scaled."""
        return np.asarray(((targets - self.means) / self.deviations).mean(1), np.float64)

    def learned(self, targets: Shaped[np.ndarray, "example *output"]) -> Float[np.ndarray, "example *output"]:
        """What a network is trained towards: numbers with mean 0 and deviation 1, each by itself."""
        return np.asarray((targets - self.means) / self.deviations, np.float32)

    def facts(self) -> dict[str, float | int]:
        """What a manifest says of them."""
        return {**super().facts(), "outputs": len(self.means)}


#: How answers are judged; None where an example has one class.
Scale = LabelSets | Numbers


def scale_of(
    task: Task,
    targets: Shaped[np.ndarray, "example *label"],
    class_names: tuple[str, ...],
    tolerance: float | None = None,
) -> Scale | None:
    """How answers are judged where these are the training targets; None for classes."""
    if task == "labels":
        return label_sets(targets, class_names)
    if task != "regression":
        return None
    return numbers_of(targets, tolerance) if targets.ndim == 1 else several_numbers_of(targets, tolerance)


def label_sets(targets: Shaped[np.ndarray, "example label"], label_names: tuple[str, ...]) -> LabelSets:
    """The sets of labels there are, with names.

    Example:
        >>> label_sets(np.array([[1, 0], [1, 1], [1, 0], [0, 0]]), ("red", "round")).names
        ('no label', 'red', 'red + round', 'another set of labels')
    """
    sets = np.unique(targets.astype(bool), axis=0)
    names = [" + ".join(name for name, has in zip(label_names, one, strict=True) if has) or NO_LABEL for one in sets]
    return LabelSets(sets=sets, names=(*names, ANOTHER))


def numbers_of(targets: Shaped[np.ndarray, " example"], tolerance: float | None = None) -> Numbers:
    """Centre, spread and fifths of these numbers.

    Example:
        >>> found = numbers_of(np.arange(10.0))
        >>> round(found.tolerance, 3), found.names[0], found.names[-1]
        (0.718, 'below 1.8', '7.2 or more')
    """
    values = targets.astype(np.float64)
    edges = np.unique(np.quantile(values, np.arange(1, PARTS) / PARTS))
    deviation = float(values.std()) or 1.0
    shown = [f"{edge:.4g}".replace("-", "−") for edge in edges]
    between = [f"{low} to {high}" for low, high in pairwise(shown)]
    return Numbers(
        mean=float(values.mean()),
        deviation=deviation,
        tolerance=TOLERANCE * deviation if tolerance is None else tolerance,
        edges=edges,
        names=(f"below {shown[0]}", *between, f"{shown[-1]} or more"),
        given=tolerance is not None,
    )


def several_numbers_of(targets: Shaped[np.ndarray, "example output"], tolerance: float | None = None) -> SeveralNumbers:
    """Centres and spreads of the columns, and fifths of their mean.

    Example:
        >>> several_numbers_of(np.array([[0.0, 10.0], [2.0, 30.0]])).deviations
        array([ 1., 10.])
    """
    values = targets.astype(np.float64)
    means, spreads = values.mean(0), values.std(0)
    deviations = np.where(spreads > 0, spreads, 1.0)
    one = numbers_of(((values - means) / deviations).mean(1), TOLERANCE if tolerance is None else tolerance)
    return SeveralNumbers(
        mean=one.mean,
        deviation=one.deviation,
        tolerance=one.tolerance,
        edges=one.edges,
        names=one.names,
        given=tolerance is not None,
        means=means,
        deviations=deviations,
    )


def refuse_other_tasks(task: Task, name: str, what: str, hint: str = "take data of one class an example.") -> None:
    """Refuse data whose examples do not have one class each, for something that is about classes.

    Raises:
        BadInput: the data of that name are such.
    """
    if task != "classes":
        raise BadInput(f"{what} is about one class an example, and {name!r} has {TASKS[task]}.", hint=hint)


def task_notes(
    targets: Shaped[np.ndarray, "example *label"], class_names: tuple[str, ...], scale: Scale | None
) -> tuple[str, ...]:
    """What a person should know of targets that are no classes."""
    if isinstance(scale, SeveralNumbers):
        return (
            f"The target is {len(scale.means)} numbers: networks learn each centred and scaled. An error is the mean "
            "over them, in their standard deviations; an answer counts as right where the root of the mean square is "
            f"at most {scale.tolerance:.4g}. Where a single number is shown, it is the mean of them.",
        )
    if isinstance(scale, Numbers):
        return (
            f"The target is a number: networks learn it centred and scaled, and an answer counts as right that misses "
            f"it by at most {scale.tolerance:.4g} (its standard deviation is {scale.deviation:.4g}).",
        )
    return _label_notes(targets, class_names) if isinstance(scale, LabelSets) else ()


def _label_notes(targets: np.ndarray, label_names: tuple[str, ...]) -> tuple[str, ...]:
    having = targets.sum(axis=0)
    sentences = [
        f"An example has any of {len(label_names)} labels; an answer counts as right where all of them are, so that "
        "label memorization is about the whole set. label_memorization[label_accuracy] counts the labels one by one."
    ]
    for count, words in ((1, "a single example"), (0, "no example")):
        names = [label_names[label] for label in np.flatnonzero(having == count)]
        if names:
            shown = ", ".join(map(repr, names[:5])) + (", …" if len(names) > 5 else "")
            sentences.append(f"{counted(len(names), 'label has', 'labels have')} {words}: {shown}.")
    everyone = [label_names[label] for label in np.flatnonzero(having == len(targets))]
    if everyone:
        sentences.append(f"Every example has the label {', '.join(map(repr, everyone[:5]))}.")
    return tuple(sentences)
