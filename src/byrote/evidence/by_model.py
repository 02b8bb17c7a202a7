"""Arrays of many models, of which one need be in memory at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import overload

import numpy as np
from jaxtyping import Int, Shaped

#: Arrays `[model, …]`: in memory, memory-mapped, or one for each model.
Arrays = Shaped[np.ndarray, "model ..."] | Sequence[Shaped[np.ndarray, "..."]]


class ByModel(Sequence[np.ndarray]):
    """One array for each model, which `read(model)` gives when it is asked for, and nobody keeps.

    Example:
        >>> answers = ByModel(3, lambda model: np.full(2, model))
        >>> [each.tolist() for each in answers], shape_of(answers)
        ([[0, 0], [1, 1], [2, 2]], (3, 2))
    """

    def __init__(self, count: int, read: Callable[[int], np.ndarray]) -> None:
        self._count, self._read = count, read

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, model: int) -> np.ndarray: ...

    @overload
    def __getitem__(self, model: slice) -> ByModel: ...

    def __getitem__(self, model: int | slice) -> np.ndarray | ByModel:
        chosen = range(self._count)[model]
        if isinstance(chosen, range):
            return ByModel(len(chosen), lambda one: self._read(chosen[one]))
        return self._read(chosen)


def shape_of(arrays: Arrays) -> tuple[int, ...]:
    """The shape `[model, …]`, by that of the first model's array.

    Example:
        >>> shape_of([np.zeros((4, 3)), np.zeros((4, 3))])
        (2, 4, 3)
    """
    if isinstance(arrays, np.ndarray):
        return arrays.shape
    return (len(arrays), *(np.shape(arrays[0]) if len(arrays) else ()))


def some(arrays: Arrays, models: Int[np.ndarray, " chosen"]) -> Arrays:
    """Those of some models.

    Example:
        >>> some(np.eye(3), np.array([0, 2])).tolist(), [one.tolist() for one in some(list(np.eye(2)), np.array([1]))]
        ([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], [[0.0, 1.0]])
    """
    if isinstance(arrays, np.ndarray):
        chosen: np.ndarray = arrays[models]
        return chosen
    return ByModel(len(models), lambda row: arrays[int(models[row])])
