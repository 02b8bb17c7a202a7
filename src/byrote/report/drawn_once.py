"""Figures are drawn once a process: what is verified, written again or shown twice has them from before."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar

import numpy as np

P = ParamSpec("P")
R = TypeVar("R")

#: So many figures are remembered, those that were asked for last.
MOST: Final = 32
#: What figures carry for their errors and names, and no drawing shows.
UNSEEN: Final = frozenset({"ids", "influence", "replicates"})
_DRAWN: OrderedDict[bytes, Any] = OrderedDict()


def drawn_once(draw: Callable[P, R]) -> Callable[P, R]:
    """A function that draws from its arguments alone, and not again what it drew before from the same ones."""

    @wraps(draw)
    def remembered(*args: P.args, **kwargs: P.kwargs) -> R:
        digest = hashlib.sha256(f"{draw.__module__}.{draw.__qualname__}".encode())
        for part in _parts((args, sorted(kwargs.items()))):
            digest.update(part)
        key = digest.digest()
        if key not in _DRAWN:
            _DRAWN[key] = draw(*args, **kwargs)
        _DRAWN.move_to_end(key)
        if len(_DRAWN) > MOST:
            _DRAWN.popitem(last=False)
        found: R = _DRAWN[key]
        return found

    return remembered


def _parts(value: Any) -> Iterator[bytes]:
    """What tells a value from any other of its kind, in pieces."""
    if isinstance(value, np.ndarray):
        yield f"array {value.dtype} {value.shape}".encode()
        yield np.ascontiguousarray(value).tobytes() if value.dtype != object else repr(value.tolist()).encode()
    elif is_dataclass(value) and not isinstance(value, type):
        yield type(value).__qualname__.encode()
        for field in fields(value):
            if field.name not in UNSEEN:
                yield field.name.encode()
                yield from _parts(getattr(value, field.name))
    elif isinstance(value, Mapping):
        yield f"mapping {len(value)}".encode()
        for name, each in value.items():
            yield from _parts(name)
            yield from _parts(each)
    elif isinstance(value, (list, tuple)):
        yield f"row {len(value)}".encode()
        for each in value:
            yield from _parts(each)
    elif callable(value):
        yield f"{value.__module__}.{value.__qualname__}".encode()
    else:
        yield f"{type(value).__qualname__} {value!r};".encode()
