"""A dataset from any map-style torch dataset, without importing torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from byrote.data.arrays import from_arrays
from byrote.data.convert import gathered, stacked, unreadable
from byrote.data.dataset import Dataset
from byrote.data.task import Task
from byrote.errors import BadInput


def from_torch(
    dataset: Any,
    *,
    name: str = "torch",
    ids: Any = None,
    groups: Any = None,
    class_names: Sequence[str] | None = None,
    task: Task | None = None,
    tolerance: float | None = None,
    into: Path | str | None = None,
) -> Dataset:
    """Read every item (input, target) once into memory; random transforms are frozen as they fall.

    Class names come from the dataset's `classes` unless given; `task` and `tolerance` are as in `from_arrays`.
    With `into`, a file name in .npy, inputs are written there an item at a time and stay there, for data larger than
    memory.

    Raises:
        BadInput: the dataset has no length or no items, gives batches, raises, its shapes differ, or its content is
            refused.

    Example:
        >>> from_torch([([0.0, 1.0], 'a'), ([1.0, 0.0], 'b')]).class_names
        ('a', 'b')
    """
    count = _length(dataset, name)
    own_names = getattr(dataset, "classes", None)
    names = own_names if class_names is None and isinstance(own_names, (list, tuple)) else class_names
    inputs, targets, by = gathered(
        _items(dataset, count, name, task), count=count, name=name, into=None if into is None else Path(into)
    )
    return from_arrays(
        inputs,
        stacked(targets),
        name=name,
        ids=ids,
        groups=groups,
        class_names=names,
        task=task,
        tolerance=tolerance,
    ).replace(divided_by=by)


def _length(dataset: Any, name: str) -> int:
    if hasattr(dataset, "dataset") and hasattr(dataset, "batch_sampler"):
        raise BadInput(
            f"The dataset {name!r} is a {type(dataset).__name__!r}, which gives batches and not examples.",
            hint="give the dataset that it loads, as loader.dataset.",
        )
    if not hasattr(dataset, "__getitem__"):
        raise _iterable(dataset, name)
    try:
        count = len(dataset)
    except (TypeError, NotImplementedError):
        raise _iterable(dataset, name) from None
    if count == 0:
        raise BadInput(
            f"The dataset {name!r} cannot be used: it is empty.",
            hint="check the folder or the filter that the dataset was made with.",
        )
    return count


def _iterable(dataset: Any, name: str) -> BadInput:
    return BadInput(
        f"The dataset {name!r} must be map-style, with a length and items by position. "
        f"Got a {type(dataset).__name__!r}.",
        hint="collect an iterable dataset first, as list(dataset).",
    )


def _items(dataset: Any, count: int, name: str, task: Task | None) -> Iterator[tuple[Any, Any]]:
    for position in range(count):
        try:
            item = dataset[position]
        except NotImplementedError:
            raise _iterable(dataset, name) from None
        except Exception as error:
            raise unreadable(position, name, error) from error
        if not isinstance(item, (tuple, list)) or len(item) != 2:
            got = f"{len(item)} values" if isinstance(item, (tuple, list)) else f"a {type(item).__name__!r}"
            raise BadInput(
                f"Items of {name!r} must be pairs (input, target). Item {position} is {got}.",
                hint="wrap the dataset in one whose items are (input, target).",
            )
        if position == 0:
            _refuse_batch(item, name, task)
        yield item[0], item[1]


def _refuse_batch(item: Sequence[Any], name: str, task: Task | None) -> None:
    """Refuse what looks like a batch: inputs and targets of one length, where nobody said that these are labels."""
    shapes = [tuple(getattr(part, "shape", ())) for part in item]
    alike = len(shapes[1]) == 1 and len(shapes[0]) > 1 and shapes[0][0] == shapes[1][0] > 1
    if not alike or task == "labels" or (task == "regression" and isinstance(item, tuple)):
        return
    raise BadInput(
        f"Item 0 of {name!r} has an input of shape {shapes[0]} and {shapes[1][0]} targets, as a batch of "
        f"{shapes[1][0]} examples has.",
        hint="of a loader give loader.dataset; where this is one example, say task='labels', or with "
        "task='regression' make the items tuples (input, target).",
    )
