"""A dataset whose items also say where they stand in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch.utils.data import IterableDataset

from byrote.errors import BadInput

#: The key of the position in items that are mappings.
KEY = "example_id"


class WithIds:
    """Items of a map-style dataset with their position: (input, target) becomes (input, target, position).

    Items that are mappings, as those of Hugging Face, get a key `example_id`. Shuffle and split after wrapping.

    Raises:
        BadInput: the dataset can only be gone through, as an iterable one.

    Example:
        >>> WithIds([("a", 0), ("b", 1)])[1]
        ('b', 1, 1)
        >>> WithIds([{"text": "a"}])[0]
        {'text': 'a', 'example_id': 0}
    """

    def __init__(self, dataset: Any) -> None:
        if isinstance(dataset, IterableDataset) or not hasattr(dataset, "__getitem__"):
            raise BadInput(
                f"WithIds takes a dataset whose items have positions, as dataset[0]. Got a {type(dataset).__name__!r}.",
                hint="wrap the dataset before a DataLoader does; the items of a stream take a number of their own, "
                "which your loop passes to Recorder.observe as ids.",
            )
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, position: int) -> Any:
        """The item at a position, and the position."""
        return _joined(self.dataset[position], int(position))

    def __getitems__(self, positions: list[int]) -> list[Any]:
        """Many at once, where the dataset can."""
        many = getattr(self.dataset, "__getitems__", None)
        items = [self.dataset[position] for position in positions] if many is None else many(positions)
        return [_joined(item, int(position)) for item, position in zip(items, positions, strict=True)]


def _joined(item: Any, position: int) -> Any:
    if isinstance(item, Mapping):
        if KEY in item:
            raise BadInput(f"The dataset's items have a key {KEY!r} already.", hint="they do without byrote.WithIds.")
        return {**item, KEY: position}
    return (*item, position) if isinstance(item, (tuple, list)) else (item, position)
