"""What arrays from elsewhere must fulfil before they become a run: one order, and members as well as others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int, Int8, Shaped

from byrote.designs.design import NO_PAIR
from byrote.errors import BadInput
from byrote.evidence.by_model import Arrays, shape_of

AGREEING = "the order of the examples was checked by the models' being right about their members, for want of labels"
UNCHECKED = "the order of the examples could not be checked: the files carry no labels"


#: What to do about an array of another kind or shape.
SAVE_AGAIN = "save them as numbers, with np.save or np.savez."


def required(labels: Int[np.ndarray, " example"] | None, what: str) -> Int[np.ndarray, " example"]:
    """The labels, for files that carry none.

    Raises:
        BadInput: none were given.
    """
    if labels is None:
        raise BadInput(
            f"{what} carry no labels, and none were given.",
            hint="pass labels=…, or --labels labels.npy: those of the dataset in the order that its arrays were "
            "computed in.",
        )
    return labels.astype(np.int64)


def labels_of(
    found: Shaped[np.ndarray, "..."], given: Int[np.ndarray, " example"] | None, where: str
) -> Int[np.ndarray, " example"]:
    """The labels found in a file, once they agree with those given.

    Raises:
        BadInput: they are no labels, or the two disagree.
    """
    if found.ndim != 1 or found.dtype.kind not in "iu":
        raise BadInput(
            f"The labels in {where} must be whole numbers along one axis; they are {_kind(found)}.",
            hint="bring classes into numbers from 0 on, one per example; one-hot labels with labels.argmax(1).",
        )
    if given is not None:
        in_order(found, given, "labels", where)
    return found.astype(np.int64)


def in_order(found: Shaped[np.ndarray, " there"], given: Shaped[np.ndarray, " example"], what: str, where: str) -> None:
    """Refuse arrays that are about the examples in another order, or about other examples.

    Raises:
        BadInput: they are.
    """
    hint = (
        "bring both into one order; loaders of datasets shuffle, and the files follow the order that they were made in."
    )
    if len(found) != len(given):
        raise BadInput(f"There are {len(found)} {what} in {where}, and {len(given)} were given.", hint=hint)
    wrong = np.flatnonzero(found != given)
    if len(wrong):
        at = int(wrong[0])
        raise BadInput(
            f"The {what} in {where} are not those given: {len(wrong)} of {len(found)} differ, the first at {at} "
            f"({found[at]} there, {given[at]} given).",
            hint=hint,
        )


def membership(
    array: Shaped[np.ndarray, "..."], models: Sequence[str], examples: int, where: str
) -> Int8[np.ndarray, "model example"]:
    """Who was trained on what, from an array of 0 and 1.

    Raises:
        BadInput: another shape, other values, or a model that was trained on every example or on none.
    """
    if array.shape != (len(models), examples):
        raise BadInput(
            f"The membership in {where} has shape {array.shape} where (model={len(models)}, example={examples}) is "
            f"wanted.",
            hint="let a row stand for a model and a column for an example; `member.T` where it is the other way round.",
        )
    if array.dtype.kind not in "biuf" or not np.isin(array, (0, 1)).all():
        raise BadInput(
            f"The membership in {where} must be 0 or 1; it is {_kind(array)}.",
            hint="write 1 where the model was trained on the example, and 0 where it was not.",
        )
    member = array.astype(np.int8)
    for name, row in zip(models, member, strict=True):
        if row.all() or not row.any():
            raise BadInput(
                f"The model {name!r} was trained on {'every example' if row.all() else 'no example'} of {examples}: "
                f"it has {'no non-members' if row.all() else 'no members'}.",
                hint="leave this model out, or bring the examples that it was not trained on."
                if row.all()
                else "leave this model out.",
            )
    return member


def agreeing(
    logits: Arrays, member: Int8[np.ndarray, "model example"], labels: Int[np.ndarray, " example"], where: str
) -> None:
    """Refuse labels that the models predict for their members no more often than shuffled labels.

    `logits` are `[example, class]` of each model. Models that say one class of everything tell nothing of the order,
    and are let through.

    Raises:
        BadInput: the rate of right answers is within 3 standard errors of that of independent labels.
    """
    size = max(shape_of(logits)[2], int(labels.max(initial=0)) + 1)
    said, wanted, hits = np.zeros(size, np.int64), np.zeros(size, np.int64), 0
    for own, inside in zip(logits, member == 1, strict=True):
        predicted, labelled = own.argmax(1)[inside], labels[inside]
        said += np.bincount(predicted, minlength=size)
        wanted += np.bincount(labelled, minlength=size)
        hits += int((predicted == labelled).sum())
    total = int(said.sum())
    if said.max() == total:
        return
    chance, right = float((said / total) @ (wanted / total)), hits / total
    if right < chance + 3 * np.sqrt(chance * (1 - chance) / len(labels)):
        raise BadInput(
            f"The models in {where} predict the labels given for their own members in {right:.1%} of cases, and would "
            f"predict shuffled ones in {chance:.1%}.",
            hint="bring labels=… into the order of the models' answers.",
        )


def refuse_unlike(answers: Arrays, where: str) -> None:
    """Refuse answers of models that differ in shape, or of which none is finite.

    Raises:
        BadInput: they do, or none is.
    """
    shapes, finite = set(), False
    for own in answers:
        refuse_other_than_numbers(own, where)
        shapes.add(own.shape)
        finite = finite or bool(np.isfinite(own).any())
    if len(shapes) > 1:
        raise BadInput(
            f"The models' answers in {where} differ in shape: {', '.join(map(str, sorted(shapes)))}.",
            hint="compute all of them on the same examples and classes, and move files of other data away.",
        )
    if not finite:
        raise _none_finite(where)


def some_finite(array: Shaped[np.ndarray, "..."], where: str) -> None:
    """Refuse answers of which none is a finite number; single models that diverged are marked in the run.

    Raises:
        BadInput: none is.
    """
    refuse_other_than_numbers(array, where)
    if not np.isfinite(array).any():
        raise _none_finite(where)


def _none_finite(where: str) -> BadInput:
    return BadInput(
        f"None of the values in {where} is finite.",
        hint="compute the answers again; they hold only NaN and infinity, as from models that diverged.",
    )


def refuse_other_than_numbers(array: Shaped[np.ndarray, "..."], where: str) -> None:
    """Refuse texts.

    Raises:
        BadInput: it holds some.
    """
    if array.dtype.kind not in "biuf":
        raise BadInput(f"The values in {where} must be numbers; they are {_kind(array)}.", hint=SAVE_AGAIN)


def complementary_pairs(member: Int8[np.ndarray, "model example"]) -> Int[np.ndarray, " model"]:
    """Models 0 and 1, 2 and 3, … are pairs where one was trained on exactly what the other was not; else none is.

    Example:
        >>> complementary_pairs(np.array([[1, 0, 1], [0, 1, 0]], np.int8))
        array([0, 0])
    """
    models = len(member)
    if models % 2 or not np.array_equal(member[0::2], 1 - member[1::2]):
        return np.full(models, NO_PAIR, np.int64)
    return np.arange(models, dtype=np.int64) // 2


def balance(member: Int8[np.ndarray, "model example"]) -> str:
    """What there is to say of a design without pairs."""
    inside = member.sum(0)
    models = len(member)
    if (inside == inside[0]).all():
        return (
            f"balanced design without pairs: every example is in exactly {inside[0]} of the {models} models, so models "
            f"are dependent, and taking each of them as the target would give membership away"
        )
    return f"no pairs: every example is in {inside.min()} to {inside.max()} of the {models} models"


def _kind(array: np.ndarray) -> str:
    return f"{array.dtype} of shape {array.shape}"
