"""Labels: from whatever a user calls them to class indices and class names."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from byrote.data.problems import Problems, counted, quoted
from byrote.data.spelling import plain, plain_texts, says_missing
from byrote.data.task import TASKS, Task

MOST_CLASSES = 100_000
#: Names of the classes -1 and 1, as a table names them.
SIGNS = ("-1", "1")

_TABLE = (
    "several labels per example are a table of 0 and 1, with a column per label: table = np.zeros((examples, labels), "
    "int), then table[example, its_labels] = 1 for each"
)


@dataclass(frozen=True, eq=False)
class Labels:
    """Class indices and the names they point into; or 0 and 1 by label and the labels' names; or numbers."""

    targets: Shaped[np.ndarray, "example *label"]
    class_names: tuple[str, ...]


def read_targets(
    targets: Shaped[np.ndarray, "example *label"],
    task: Task,
    *,
    ids: Shaped[np.ndarray, " example"],
    class_names: Sequence[str] | None,
    problems: Problems,
) -> Labels:
    """The targets of a task; what is wrong with them goes to `problems`."""
    if task not in TASKS:
        problems.add(f"there is no task {task!r}", f"the tasks are {', '.join(sorted(TASKS))}")
        return Labels(np.zeros(len(targets), np.int64), ("a", "b"))
    if task == "regression" and targets.ndim == 2:
        return _read_columns(targets, ids, class_names, problems)
    if task == "labels":
        return _read_sets(targets, ids, class_names, problems)
    if targets.ndim != 1:
        problems.add(
            f"it must have one target per example, but the targets have the shape {targets.shape}",
            "of several labels per example say task='labels'; from one-hot labels take targets.argmax(axis=1)",
        )
        return Labels(np.zeros(len(targets), np.int64), ("a", "b"))
    if task == "regression":
        return _read_numbers(targets, ids, class_names, problems)
    return read_labels(targets, ids=ids, class_names=class_names, problems=problems)


def _read_sets(targets: np.ndarray, ids: np.ndarray, class_names: Sequence[str] | None, problems: Problems) -> Labels:
    """0 and 1 by label, at least two labels, and not all of one example each."""
    fits = targets.ndim == 2 and targets.shape[1] > 0 and targets.dtype.kind in "biuf"
    labels = targets.shape[1] if fits else 0
    names = tuple(map(str, range(labels))) if class_names is None else tuple(map(str, class_names))
    found = np.zeros((len(targets), max(labels, 1)), np.int8)
    if not fits:
        problems.add(
            f"several labels are a table [example, label] of 0 and 1, but the targets are {targets.shape}",
            "give a column of 0 and 1 for each label",
        )
    elif len(names) != labels or len(set(names)) < labels:
        problems.add(
            f"{labels} labels need as many different names, but there are {len(names)} ({quoted(names)})",
            "class_names=… names each label once",
        )
    elif not np.isin(targets, (0, 1)).all():
        rows = (~np.isin(targets, (0, 1))).any(axis=1)
        are = counted(int(rows.sum()), "example has", "examples have")
        problems.add(
            f"{are} labels that are neither 0 nor 1 ({_at(ids[rows])})",
            "1 is an example that has the label, 0 one that has it not; numbers to be predicted are task='regression'",
        )
    else:
        found = targets.astype(np.int8)
        if labels > 1 and (found.sum(axis=1) == 1).all():
            problems.add(
                "every example has just one of its labels, and so one class",
                "take targets.argmax(axis=1)",
            )
        elif len(np.unique(found, axis=0)) < 2:
            problems.add(
                "every example has the same labels", "there is nothing to learn: add examples with other labels"
            )
    return Labels(found, names)


def _read_numbers(
    targets: np.ndarray, ids: np.ndarray, class_names: Sequence[str] | None, problems: Problems
) -> Labels:
    """Finite numbers, not all of them the same."""
    nothing = Labels(np.zeros(len(targets)), ())
    if class_names is not None:
        problems.add(
            f"numbers have no class names, and there are {len(class_names)}",
            "leave out class_names, or say task='classes'",
        )
    missing = is_absent(targets)
    if missing.any():
        problems.add(
            f"{counted(int(missing.sum()), 'number is', 'numbers are')} missing ({_at(ids[missing])})",
            "leave these examples out",
        )
        return nothing
    if not all_numbers(targets):
        problems.add(
            f"a regression learns numbers, and its targets are of type {targets.dtype.name!r}",
            "task='classes' learns names",
        )
        return nothing
    values = targets.astype(np.float64)
    infinite = ~np.isfinite(values)
    if infinite.any():
        problems.add(
            f"{counted(int(infinite.sum()), 'number is', 'numbers are')} infinite ({_at(ids[infinite])})",
            "leave these examples out",
        )
    elif not np.ptp(values) > 0:
        problems.add(
            f"every target is {values[0] if len(values) else 'missing'}",
            "there is nothing to learn: add examples with other targets",
        )
    return Labels(values, ())


def _read_columns(
    targets: np.ndarray, ids: np.ndarray, class_names: Sequence[str] | None, problems: Problems
) -> Labels:
    """Finite numbers [example, output], no column all the same; a single column is one number per example."""
    if targets.shape[1] == 1:
        return _read_numbers(targets[:, 0], ids, class_names, problems)
    if not targets.shape[1] or targets.dtype.kind not in "iuf":
        problems.add(
            f"a regression learns numbers, and its targets are of type {targets.dtype.name!r} {targets.shape}",
            "several labels per example are task='labels'",
        )
        return Labels(np.zeros(len(targets)), ())
    if class_names is not None:
        problems.add(f"numbers have no class names, and there are {len(class_names)}", "leave out class_names")
    values = targets.astype(np.float64)
    unfit = ~np.isfinite(values).all(1)
    if unfit.any():
        have = counted(int(unfit.sum()), "example has", "examples have")
        problems.add(f"{have} missing or infinite targets ({_at(ids[unfit])})", "leave these examples out")
        return Labels(np.zeros(values.shape), ())
    same = np.flatnonzero(np.ptp(values, axis=0) == 0) if len(values) else np.zeros(0, np.int64)
    if len(same):
        problems.add(
            f"every target in column {same[0]}, counted from 0, is {values[0, same[0]]}",
            "leave the column out: there is nothing to learn",
        )
    return Labels(values, ())


def read_labels(
    labels: Shaped[np.ndarray, " example"],
    *,
    ids: Shaped[np.ndarray, " example"],
    class_names: Sequence[str] | None,
    problems: Problems,
) -> Labels:
    """Text becomes the index of its sorted class name, whole numbers stay; the rest goes to `problems`.

    Labels that are all -1 or 1, and both occur, are two classes of these names. Anywhere else -1 is a missing label.
    """
    names = None if class_names is None else tuple(plain(str(name)) for name in class_names)
    if names is not None and len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        problems.add(
            f"its class names must differ, but {quoted(twice)} stands more than once",
            "name each class once; blanks around a name and the Unicode form of its letters do not count",
        )
    absent, signed = is_absent(labels), is_minus_one(labels)
    if not absent.any() and _are_signs(labels, names):
        return Labels((~signed).astype(np.int64), SIGNS)
    missing = absent | signed
    present = labels[~missing]
    if absent.any():
        message, hint = marks_said(labels[absent], "label")
        problems.add(
            f"{counted(int(absent.sum()), 'label is', 'labels are')} missing ({_at(ids[absent])}){message}",
            f"leave these examples out{hint}",
        )
    if signed.any():
        problems.add(
            f"{counted(int(signed.sum()), 'label is', 'labels are')} -1, which stands for a missing label "
            f"({_at(ids[signed])})",
            "leave these examples out; where -1 is a class, count the classes from 0, as in "
            "np.unique(labels, return_inverse=True)[1]",
        )
    if all_text(present):
        return _text(plain_texts(present.astype(np.str_)), missing, ids, names, problems)
    if all_numbers(present):
        return _whole(present.astype(np.float64), missing, ids, names, problems)
    other = {type(one).__name__ for one in present.tolist()}
    problems.add(
        f"its labels must be all whole numbers or all text, and are of type {quoted(sorted(other))}",
        _TABLE
        if other & {"list", "tuple", "set", "ndarray"}
        else "bring them to one type, as [str(label) for label in labels]",
    )
    return Labels(np.zeros(len(labels), np.int64), names or ())


def _are_signs(labels: np.ndarray, names: tuple[str, ...] | None) -> bool:
    """Whether the labels are the two classes -1 and 1; where these are named so already, one of them is enough."""
    if names not in (None, SIGNS) or not all_numbers(labels):
        return False
    found = set(labels.tolist())
    return found <= {-1, 1} if names == SIGNS else found == {-1, 1}


def is_absent(values: Shaped[np.ndarray, " example"]) -> Bool[np.ndarray, " example"]:
    """Where there is None, NaN, an empty text or one that says so, as "NA".

    Example:
        >>> is_absent(np.array([0.0, np.nan, -1.0]))
        array([False,  True, False])
    """
    if values.dtype.kind == "O":
        return np.fromiter((_absent(value) for value in values), bool, len(values))
    if values.dtype.kind in "fcmM":
        return np.asarray(np.isnan(values) if values.dtype.kind in "fc" else np.isnat(values))
    if values.dtype.kind not in "UT":
        return np.zeros(len(values), bool)
    texts, which = np.unique(values, return_inverse=True)
    return np.fromiter(map(says_missing, texts.tolist()), bool, len(texts))[which]


def marks_said(missing: Shaped[np.ndarray, " missing"], what: str) -> tuple[str, str]:
    """What a refusal adds where missing values are written as words that might be meant, and what its hint adds.

    Example:
        >>> marks_said(np.array(["NA", ""]), "class")
        (": 'NA' is read as missing", "; if 'NA' is a value and does not mean that there is none, write it as 'NA-'")
    """
    words = list(dict.fromkeys(one.strip() for one in missing.tolist() if isinstance(one, str) and one.strip()))
    if not words:
        return "", ""
    noted = f": {quoted(words)} {'is' if len(words) == 1 else 'are'} read as missing"
    if what == "number":
        return noted, ", or put a number there"
    meant = f"{words[0]!r} is a value and does not mean that there is none"
    return noted, f"; if {meant}, write it as {words[0] + '-'!r}"


def is_minus_one(values: Shaped[np.ndarray, " example"]) -> Bool[np.ndarray, " example"]:
    """Where there is the customary sign of a missing label."""
    if values.dtype.kind == "O":
        return np.fromiter((isinstance(one, numbers.Real) and one == -1 for one in values), bool, len(values))
    return np.asarray(values == -1) if values.dtype.kind in "if" else np.zeros(len(values), bool)


def all_text(values: Shaped[np.ndarray, " example"]) -> bool:
    """Whether every value is text."""
    return values.dtype.kind in "UT" or _all_of(values, str)


def all_numbers(values: Shaped[np.ndarray, " example"]) -> bool:
    """Whether every value is a real number."""
    return values.dtype.kind in "biuf" or _all_of(values, numbers.Real)


def _all_of(values: np.ndarray, kind: type) -> bool:
    return values.dtype.kind == "O" and all(isinstance(value, kind) for value in values)


def _absent(value: Any) -> bool:
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return says_missing(value) if isinstance(value, str) else isinstance(value, numbers.Real) and math.isnan(value)


def _at(ids: np.ndarray) -> str:
    return f"{'example' if len(ids) == 1 else 'examples'} {quoted(ids)}"


def _text(
    present: Shaped[np.ndarray, " present"],
    missing: Bool[np.ndarray, " example"],
    ids: Shaped[np.ndarray, " example"],
    class_names: tuple[str, ...] | None,
    problems: Problems,
) -> Labels:
    names = tuple(sorted(set(present.tolist()))) if class_names is None else class_names
    index = {name: position for position, name in enumerate(names)}
    found = np.fromiter((index.get(text, -1) for text in present.tolist()), np.int64, len(present))
    unknown = found < 0
    if unknown.any():
        what = counted(int(unknown.sum()), "label is", "labels are")
        shown = quoted(dict.fromkeys(present[unknown].tolist()))
        problems.add(
            f"{what} none of the class names ({shown} at {_at(ids[~missing][unknown])})",
            f"the class names are {quoted(sorted(names), limit=20)}",
        )
    return _finished(found, missing, names, problems, sound=not unknown.any())


def _whole(
    present: Float[np.ndarray, " present"],
    missing: Bool[np.ndarray, " example"],
    ids: Shaped[np.ndarray, " example"],
    class_names: tuple[str, ...] | None,
    problems: Problems,
) -> Labels:
    whole = np.isfinite(present) & (present == np.floor(present))
    limit = MOST_CLASSES if class_names is None else len(class_names)
    outside = whole & ((present < 0) | (present >= limit))
    for wrong, one, many in (
        (~whole, "label is not a whole number", "labels are not whole numbers"),
        (outside, f"label is out of range 0 to {limit - 1}", f"labels are out of range 0 to {limit - 1}"),
    ):
        if wrong.any():
            shown = ", ".join(f"{value:g}" for value in dict.fromkeys(present[wrong][:3].tolist()))
            where = _at(ids[~missing][wrong])
            to_predict = "of numbers that are to be predicted say task='regression'"
            hint = (
                f"labels count from 0 to {limit - 1}, in the order of class_names" if wrong is outside else to_predict
            )
            problems.add(f"{counted(int(wrong.sum()), one, many)} ({shown} at {where})", hint)
    sound = bool(whole.all() and not outside.any())
    found = np.where(whole & ~outside, present, 0).astype(np.int64)
    largest = int(found.max(initial=-1))
    names = tuple(str(label) for label in range(largest + 1)) if class_names is None else class_names
    return _finished(found, missing, names, problems, sound=sound)


def _finished(
    found: Int[np.ndarray, " present"],
    missing: Bool[np.ndarray, " example"],
    names: tuple[str, ...],
    problems: Problems,
    *,
    sound: bool,
) -> Labels:
    distinct = np.unique(found)
    if sound and len(distinct) < 2 and len(found):
        problems.add(
            f"it needs at least 2 classes, and every label is {names[distinct[0]]!r}", "add examples of another class"
        )
    targets = np.full(len(missing), -1, np.int64)
    targets[~missing] = found
    return Labels(targets, names)
