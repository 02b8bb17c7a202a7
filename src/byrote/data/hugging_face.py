"""A dataset from a Hugging Face dataset, by the names of its columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from byrote.data.arrays import from_arrays
from byrote.data.convert import gathered, stacked, unreadable
from byrote.data.dataset import Dataset
from byrote.data.task import Task
from byrote.errors import BadInput


def from_hugging_face(
    dataset: Any,
    *,
    input: str,  # noqa: A002
    target: str,
    id: str | None = None,  # noqa: A002  # as the option is called
    group: str | None = None,
    name: str = "hugging-face",
    task: Task | None = None,
    tolerance: float | None = None,
    into: Path | str | None = None,
) -> Dataset:
    """Read columns into memory: images, arrays or lists of numbers; a ClassLabel gives the class names.

    A target that is a list of ClassLabel, of any length, is several labels per example.

    `task` and `tolerance` are as in `from_arrays`.
    With `into`, a file name in .npy, inputs are written there an item at a time and stay there, for data larger than
    memory.

    Raises:
        BadInput: a column does not exist, the dataset has splits or no length, or its content is refused.

    Example:
        >>> import datasets
        >>> pets = datasets.Dataset.from_dict({"size": [[0.3, 4.0], [0.9, 30.0]], "kind": ["cat", "dog"]})
        >>> byrote.from_hugging_face(pets, input="size", target="kind", name="pets")
        Dataset('pets', 2 examples of 2, 2 classes)
    """
    names = getattr(dataset, "column_names", None)
    if isinstance(names, Mapping):
        splits = ", ".join(repr(split) for split in sorted(names))
        raise BadInput(f"The dataset {name!r} has several splits.", hint=f"choose one of {splits}, as dataset[split].")
    if names is None or not hasattr(dataset, "__len__"):
        raise BadInput(
            f"The dataset {name!r} must have columns and a length, as datasets.Dataset. "
            f"Got a {type(dataset).__name__!r}.",
            hint="load it with streaming=False.",
        )
    wanted = {"input": input, "target": target, "id": id, "group": group}
    for argument, column in wanted.items():
        if column is not None and column not in names:
            valid = ", ".join(repr(one) for one in sorted(names))
            message = f"The {argument!r} argument of from_hugging_face must name a column. Got {column!r}."
            raise BadInput(message, hint=f"the columns are {valid}.")
    if not len(dataset):
        raise BadInput(
            f"The dataset {name!r} cannot be used: it is empty.",
            hint="choose another split, or a filter that leaves rows.",
        )
    rows = dataset.select_columns(sorted({column for column in wanted.values() if column is not None}))
    ids: list[Any] = []
    groups: list[Any] = []

    def items() -> Any:
        for row in _read(rows, name):
            if id is not None:
                ids.append(row[id])
            if group is not None:
                groups.append(row[group])
            yield row[input], row[target]

    inputs, targets, by = gathered(items(), count=len(dataset), name=name, into=None if into is None else Path(into))
    class_names = getattr(dataset.features[target], "names", None)
    listed = _names_of_lists(dataset.features[target])
    if listed is not None:
        targets, class_names, task = _table(targets, listed, name), listed, task or "labels"
    return from_arrays(
        inputs,
        stacked(targets),
        name=name,
        ids=None if id is None else ids,
        groups=None if group is None else groups,
        class_names=class_names,
        task=task,
        tolerance=tolerance,
    ).replace(divided_by=by)


def _read(rows: Any, name: str) -> Iterator[Any]:
    """Every row; one that cannot be decoded is named."""
    remaining = iter(rows)
    for position in range(len(rows)):
        try:
            row = next(remaining)
        except Exception as error:
            raise unreadable(position, name, error) from error
        yield row


def _names_of_lists(feature: Any) -> list[str] | None:
    """The names of the labels of a column of lists of them, of any length; None of any other column."""
    names = getattr(getattr(feature, "feature", None), "names", None)
    return list(names) if isinstance(names, list) and getattr(feature, "length", -1) == -1 else None


def _table(targets: list[Any], names: Sequence[str], name: str) -> list[Any]:
    """0 and 1 by label, from lists of the labels that each example has."""
    table = np.zeros((len(targets), len(names)), np.int8)
    for position, labels in enumerate(targets):
        own = np.asarray([] if labels is None else np.atleast_1d(labels), np.int64)
        if labels is None or (own < 0).any() or (own >= len(names)).any() or len(np.unique(own)) < len(own):
            raise BadInput(
                f"Example {position} of {name!r}, counted from 0, has the labels {str(labels)[:80]}, and an example "
                f"has each from 0 to {len(names) - 1} once or not.",
                hint="give an empty list where it has no label; of 0 and 1 by label, "
                "dataset.cast_column(target, datasets.List(datasets.Value('int64'))).",
            )
        table[position, own] = 1
    return list(table)
