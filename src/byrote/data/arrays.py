"""A dataset from a pair of arrays: the border where everything that can be wrong with data is looked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast, get_args

import numpy as np
from jaxtyping import Float, Shaped

from byrote.data.blocks import finite_rows
from byrote.data.convert import Layout, brightest, image_layout, listed, to_numpy
from byrote.data.dataset import Dataset, Display
from byrote.data.labels import is_absent, marks_said, read_targets
from byrote.data.mapped import built, copied, place_of
from byrote.data.problems import Problems, counted, quoted
from byrote.data.room import text_array
from byrote.data.spelling import plain_texts
from byrote.data.task import Task, scale_of


def from_arrays(
    inputs: Any,
    targets: Any,
    *,
    name: str = "arrays",
    ids: Any = None,
    groups: Any = None,
    class_names: Sequence[str] | None = None,
    display: Display | None = None,
    task: Task | None = None,
    tolerance: float | None = None,
) -> Dataset:
    """A dataset from inputs [example, …] and one label per example (whole numbers or text).

    Labels -1 and 1 are two classes of these names where there are no others; beside others -1 is a missing label.

    Targets [example, label] of 0 and 1 give an example several labels, and `class_names` are then theirs. With
    task="regression" targets are numbers, of which an answer is right that misses by no more than `tolerance` (a
    quarter of their standard deviation unless given).

    float32 inputs are used as they are, also memory-mapped; other numbers are converted. Images of whole numbers are
    scaled to 0..1: uint8 is divided by 255, uint16 by 65535, any other type by the smallest 2ⁿ − 1 that is not below
    the largest number (255 for 0 to 250), or not at all where there are numbers below 0; held-out images that were
    divided by another number than those of training are refused. Arrays that look like images
    ([n, H, W] or one or three channels, sides of at least 4) become channel-first and are shown as images, unless
    `display` says otherwise.

    Raises:
        BadInput: something is wrong; all of it is said at once.

    Example:
        >>> from_arrays([[0.0, 1.0], [1.0, 0.0]], ["cat", "dog"], name="pets")
        Dataset('pets', 2 examples of 2, 2 classes)
    """
    problems = Problems(name)
    raw = _inputs(inputs, problems)
    labels = _targets(targets, problems)
    task = task or ("classes" if labels is None or labels.ndim == 1 else "labels")
    lengths = {"inputs": raw, "labels": labels}
    for word, column in (("ids", ids), ("groups", groups)):
        lengths[word] = None if column is None else _column(column, word[:-1], problems)
    problems.settle()
    assert raw is not None
    assert labels is not None
    _equally_long({word: array for word, array in lengths.items() if array is not None}, problems)
    chosen_ids = numbered(name, len(raw)) if lengths["ids"] is None else _texts(lengths["ids"], "id", problems)
    chosen_groups = None if lengths["groups"] is None else _texts(lengths["groups"], "group", problems)
    _unique(chosen_ids, problems)
    shaped, chosen_display = _displayed(raw, display, problems)
    _finite(shaped, chosen_ids, problems)
    read = read_targets(labels, task, ids=chosen_ids, class_names=class_names, problems=problems)
    if tolerance is not None and not (task == "regression" and 0 < tolerance < float("inf")):
        problems.add(
            f"a tolerance is a number above 0 for a regression, and is {tolerance} for the task {task!r}",
            "leave it out, or say task='regression' and how far off still counts as right",
        )
    for word, texts in (("id", chosen_ids), ("class name", read.class_names)):
        _writable(texts, word, problems)
    problems.settle()
    return Dataset(
        name=name,
        inputs=shaped,
        targets=read.targets,
        ids=chosen_ids,
        class_names=read.class_names,
        groups=chosen_groups,
        display=chosen_display,
        task=task,
        scale=scale_of(task, read.targets, read.class_names, tolerance),
        divided_by=brightest(raw) if chosen_display.kind == "image" else 1.0,
    )


def _equally_long(arrays: Mapping[str, np.ndarray], problems: Problems) -> None:
    if len({len(array) for array in arrays.values()}) > 1:
        counts = ", ".join(f"{len(array)} {word}" for word, array in arrays.items())
        problems.add(
            f"its arrays must have one row per example, but there are {counts}",
            "the first axis of each counts the examples",
        )
        problems.settle()


def _finite(inputs: np.ndarray, ids: Shaped[np.ndarray, " example"], problems: Problems) -> None:
    finite = finite_rows(inputs)
    if not finite.all():
        bad = counted(int((~finite).sum()), "example has", "examples have")
        problems.add(
            f"{bad} NaN or infinite inputs ({quoted(ids[~finite])})",
            "leave them out, or put a number in their place",
        )


def numbered(name: str, count: int) -> Shaped[np.ndarray, " example"]:
    """Ids by position, of equal length.

    Example:
        >>> numbered("pets", 2).tolist()
        ['pets-0000', 'pets-0001']
    """
    width = max(4, len(str(count - 1)))
    return np.array([f"{name}-{position:0{width}d}" for position in range(count)], np.str_)


def _inputs(inputs: Any, problems: Problems) -> Shaped[np.ndarray, "..."] | None:
    try:
        array = to_numpy(inputs)
        if array.dtype.kind == "O" and not any(isinstance(value, str) for value in array.flat):
            array = array.astype(np.float64)
    except (TypeError, ValueError):
        problems.add(
            "its inputs are not an array of numbers of one shape", "bring all examples to one shape, or pad them"
        )
        return None
    if array.ndim and not len(array):
        problems.add("it is empty", "check the filter or the file that it was made from")
        return None
    if array.dtype.kind not in "biuf":
        problems.add(
            f"its inputs must be numbers, and are of type {array.dtype.name!r}",
            "byrote.from_table takes columns of texts, byrote.from_text_table a column of prose",
        )
        return None
    if array.ndim < 2 or 0 in array.shape[1:]:
        problems.add(
            f"its inputs must have an axis of examples and some features, but their shape is {array.shape}",
            "a single feature is inputs[:, None]" if array.ndim == 1 else "give each example at least one number",
        )
        return None
    return array


def _targets(values: Any, problems: Problems) -> Shaped[np.ndarray, "example *label"] | None:
    """A column of targets, or a table of 0 and 1 with a column per label."""
    try:
        array = to_numpy(values)
    except (TypeError, ValueError):
        array = np.empty(0)
    table = array.ndim == 2 and array.dtype.kind in "biuf"
    return np.asarray(array) if table else _column(values, "label", problems)


def _column(values: Any, word: str, problems: Problems) -> Shaped[np.ndarray, " example"] | None:
    try:
        array = listed(values)
    except (TypeError, ValueError):
        problems.add(
            f"it must have one {word} per example, but its {word}s are a {type(values).__name__!r}",
            f"give a list or array with a {word} for each",
        )
        return None
    if array.ndim == 1:
        return array
    problems.add(
        f"it must have one {word} per example, but the {word}s have the shape {array.shape}",
        f"give a list or array with a {word} for each",
    )
    return None


def _texts(values: Shaped[np.ndarray, " example"], word: str, problems: Problems) -> Shaped[np.ndarray, " example"]:
    missing = is_absent(values)
    if missing.any():
        rows = ", ".join(str(row) for row in np.flatnonzero(missing)[:3])
        message, hint = marks_said(values[missing], word)
        problems.add(
            f"{counted(int(missing.sum()), f'{word} is', f'{word}s are')} missing (rows from 0: {rows}){message}",
            f"give every example a {word}, or leave those without one out{hint}",
        )
    spelled = plain_texts(values) if word == "group" else values
    return text_array(f"The {word}s of {problems.name!r}", [str(value) for value in spelled.tolist()])


def _writable(texts: Iterable[str], word: str, problems: Problems) -> None:
    """Refuse halves of characters (lone surrogates), which no file can hold."""
    broken = [text for text in texts if not str(text).isascii() and any("\ud800" <= c <= "\udfff" for c in str(text))]
    if broken:
        problems.add(
            f"{counted(len(broken), f'{word} is', f'{word}s are')} no valid text ({quoted(broken)})",
            "read the texts again in the encoding that they were written in",
        )


def _unique(ids: Shaped[np.ndarray, " example"], problems: Problems) -> None:
    values, counts = np.unique(ids, return_counts=True)
    twice = values[counts > 1]
    if len(twice):
        problems.add(
            f"ids must be unique, but {counted(len(twice), 'is', 'are')} repeated ({quoted(twice)})",
            "without ids the examples are numbered; what belongs to one person or document is a group, and may repeat",
        )


def _displayed(
    raw: Shaped[np.ndarray, "example ..."], display: Display | None, problems: Problems
) -> tuple[Float[np.ndarray, "example ..."], Display]:
    shape = raw.shape[1:]
    layout = image_layout(shape)
    if display is None:
        display = Display("row", shape) if layout is None else Display("image", _shown(shape, layout))
    elif display.kind == "image":
        layout = _fitting(shape, display.shape)
        if layout is None and int(np.prod(shape)) != int(np.prod(display.shape)):
            problems.add(
                f"images of shape {display.shape} cannot be shown from inputs of shape {shape}",
                "leave out display, or give the shape of one input",
            )
    else:
        layout = None
        if display.feature_names and len(display.feature_names) != int(np.prod(shape)):
            problems.add(
                f"{len(display.feature_names)} feature names do not fit {int(np.prod(shape))} features",
                "name each feature once, in their order",
            )
    return _channel_first(_float32(raw, scaled=display.kind == "image"), layout), display


def _shown(shape: tuple[int, ...], layout: Layout) -> tuple[int, ...]:
    sides = {"hw": shape[:2], "chw": shape[1:], "hwc": shape[:2]}[layout]
    channels = {"hw": 1, "chw": shape[0], "hwc": shape[-1]}[layout]
    return (*sides, 3) if channels == 3 else tuple(sides)


def _fitting(shape: tuple[int, ...], shown: tuple[int, ...]) -> Layout | None:
    for layout in get_args(Layout):
        if len(shape) == (2 if layout == "hw" else 3) and _shown(shape, layout) == shown:
            channels = {"hw": 1, "chw": shape[0], "hwc": shape[-1]}[layout]
            if channels in (1, 3):
                return cast(Layout, layout)
    return None


def _float32(raw: Shaped[np.ndarray, "example ..."], *, scaled: bool) -> Float[np.ndarray, "example ..."]:
    by = np.float32(brightest(raw)) if scaled else np.float32(1)
    if raw.dtype == np.float32 and by == 1:
        return raw

    def converted(rows: slice) -> np.ndarray:
        if by > 1:
            return np.asarray(np.divide(raw[rows], by, dtype=np.float32))
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is reported as such
            return np.asarray(raw[rows], np.float32)

    return built(raw.shape, np.float32, converted)


def _channel_first(array: Float[np.ndarray, "example ..."], layout: Layout | None) -> Float[np.ndarray, "example ..."]:
    if layout == "hw":
        return array[:, None]
    turned = np.moveaxis(array, -1, 1) if layout == "hwc" else array
    # what is in a file is read row by row, and so lies row by row
    return turned if turned.flags.c_contiguous or place_of(turned) is None else copied(turned)
