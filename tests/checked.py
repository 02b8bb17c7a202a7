"""Checks of shapes and types that end after a function's first calls in a test.

A check costs some hundred microseconds, and a null distribution calls small functions a hundred thousand times. What is
wrong with a shape shows in the first calls.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

#: Calls of a function that are checked in each test.
CALLS = 2

_test = [0]


def begin_test() -> None:
    """All functions are checked anew."""
    _test[0] += 1


def sparing(jaxtyped: Callable[..., Any]) -> Callable[..., Any]:
    """The decorator of jaxtyping that stands before every function, made to check the first calls alone."""

    def decorate(fn: Any = None, *, typechecker: Any) -> Any:
        if fn is None:
            return functools.partial(decorate, typechecker=typechecker)
        if not inspect.isfunction(fn):
            return jaxtyped(fn, typechecker=typechecker)
        return _first_calls(fn, functools.cache(lambda: jaxtyped(fn, typechecker=typechecker)))

    return decorate


def _first_calls(plain: Callable[..., Any], checked: Callable[[], Callable[..., Any]]) -> Callable[..., Any]:
    """The check is made when it is first needed: most functions are never called in most processes."""
    test, left = -1, 0

    @functools.wraps(plain)
    def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal test, left
        if test != _test[0]:
            test, left = _test[0], CALLS
        if left == 0:
            return plain(*args, **kwargs)
        left -= 1
        return checked()(*args, **kwargs)

    return call
