"""Settings as a person writes them, `key=value`, turned into what a function or a dataclass takes."""

from __future__ import annotations

import math
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, Union, get_args, get_origin

from byrote.errors import BadInput, meant

_WORDS = {int: "a whole number", float: "a number", bool: "yes or no", Path: "a path", str: "text"}
_BOOLS = {"yes": True, "true": True, "no": False, "false": False}


def split_settings(text: str) -> tuple[str, dict[str, str]]:
    """What stands first, and the settings after it, of `first,key=value,…`; a first part with `=` is a setting.

    Example:
        >>> split_settings("10,rate=0.2"), split_settings("rate=0.2")
        (('10', {'rate': '0.2'}), ('', {'rate': '0.2'}))

    Raises:
        BadInput: a part that is not the first has no `=`.
    """
    first, *rest = text.split(",")
    if "=" in first:
        first, rest = "", [first, *rest]
    wrong = next((part for part in rest if "=" not in part), None)
    if wrong is not None:
        raise BadInput(f"The setting {wrong!r} has no value.", hint="write settings as first,key=value,key=value.")
    return first, {name.strip(): value for name, _, value in (part.partition("=") for part in rest)}


def typed(
    kinds: Mapping[str, Any], given: Mapping[str, str], what: str, usual: Mapping[str, Any] = MappingProxyType({})
) -> dict[str, Any]:
    """Each setting as a value of its type.

    `kinds` are types by name; `what` is said in errors, as "the change 'weight-decay'", and `usual` are values by name
    that a hint may give.

    Example:
        >>> typed({"rate": float, "epochs": int}, {"epochs": "3"}, "the change 'x'")
        {'epochs': 3}

    Raises:
        BadInput: a name is unknown, or a value is not of its type.
    """
    unknown = next((name for name in given if name not in kinds), None)
    if unknown is not None:
        raise BadInput(
            f"{what[0].upper()}{what[1:]} has no setting {unknown!r}.",
            hint=f"{meant(unknown, kinds)}its settings are {', '.join(kinds) or 'none'}.",
        )
    return {name: value_of(kinds[name], text, name, what, usual.get(name)) for name, text in given.items()}


def value_of(kind: Any, text: str, name: str, what: str, usual: Any = None) -> Any:
    """A text as a value of a type: a number, yes or no, a path, one of several words, several with `;`, or none.

    Raises:
        BadInput: it is none of that type.
    """
    if get_origin(kind) in (Union, types.UnionType):
        others = [one for one in get_args(kind) if one is not type(None)]
        if text == "none" and len(others) < len(get_args(kind)):
            return None
        if float in others and (number := _number(float, text)) is not None:
            return number
        return value_of(Path if Path in others else others[0], text, name, what)
    if get_origin(kind) in (list, tuple, Sequence):
        found = [value_of(get_args(kind)[0], part.strip(), name, what) for part in text.split(";")]
        return tuple(found) if get_origin(kind) is tuple else found
    if get_origin(kind) is Literal:
        words = [str(one) for one in get_args(kind)]
        if text not in words:
            raise BadInput(
                f"The setting {name!r} of {what} must be one of {', '.join(words)}. Got {text!r}.",
                hint=f"{name}={words[0]}",
            )
        return get_args(kind)[words.index(text)]
    if kind is bool and text in _BOOLS:
        return _BOOLS[text]
    if kind in (int, float) and (number := _number(kind, text)) is not None:
        return number
    if kind in (str, Path):
        return kind(text)
    if kind not in _WORDS:
        raise BadInput(
            f"The setting {name!r} of {what} can only be given in Python. Got {text!r}.",
            hint=f"leave it out here, or pass {name}=… in Python.",
        )
    raise BadInput(
        f"The setting {name!r} of {what} must be {_WORDS[kind]}. Got {text!r}.",
        hint=f"{name}={'yes' if kind is bool else usual if type(usual) is kind else 1}",
    )


def _number(kind: type[int] | type[float], text: str) -> int | float | None:
    try:
        value = kind(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
