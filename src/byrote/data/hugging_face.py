"""A dataset from a Hugging Face dataset, by the names of its columns."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from byrote.data.arrays import from_arrays
from byrote.data.convert import gathered, stacked
from byrote.data.dataset import Dataset
from byrote.data.task import Task
from byrote.errors import BadInput


def from_hugging_face(
    dataset: Any,
    *,
    input: str,  # noqa: A002
    target: str,
    id: str | None = None,  # noqa: A002
    group: str | None = None,
    name: str = "hugging-face",
    task: Task | None = None,
    tolerance: float | None = None,
    into: Path | str | None = None,
) -> Dataset:
    """Read columns into memory: images, arrays or lists of numbers; a ClassLabel gives the class names.

    `task` and `tolerance` are as in `from_arrays`.
    With `into`, a file name in .npy, inputs are written there an item at a time and stay there, for data larger than
    memory.

    Raises:
        BadInput: a column does not exist, the dataset has splits or no length, or its content is refused.
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
        for row in rows:
            if id is not None:
                ids.append(row[id])
            if group is not None:
                groups.append(row[group])
            yield row[input], row[target]

    inputs, targets = gathered(items(), count=len(dataset), name=name, into=None if into is None else Path(into))
    return from_arrays(
        inputs,
        stacked(targets),
        name=name,
        ids=None if id is None else ids,
        groups=None if group is None else groups,
        class_names=getattr(dataset.features[target], "names", None),
        task=task,
        tolerance=tolerance,
    )
