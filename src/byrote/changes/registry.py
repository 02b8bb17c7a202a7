"""Changes by the name that they have on the command line."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final, get_type_hints

from byrote.changes.change import Change
from byrote.changes.names import FOLDERS
from byrote.changes.settings import split_settings, typed, value_of
from byrote.errors import BadInput, find
from byrote.parts import modules_of


def _found() -> Iterator[type[Any]]:
    """Every change of these packages: the dataclasses with a stage and a name."""
    for folder in FOLDERS:
        for module in modules_of(f"byrote.changes.{folder}"):
            kinds = [one for one in vars(module).values() if dataclasses.is_dataclass(one) and isinstance(one, type)]
            yield from (one for one in kinds if one.__module__ == module.__name__ and hasattr(one, "stage"))


_OWN: Final = tuple(_found())
#: What can be planted, and all else that can be changed.
CONTROLS: tuple[type[Any], ...] = tuple(kind for kind in _OWN if getattr(kind, "plants", False))
REMEDIES: tuple[type[Any], ...] = tuple(kind for kind in _OWN if kind not in CONTROLS)


@cache
def changes() -> dict[str, type[Any]]:
    """Every change by its name; those of other packages (entry point group `byrote.changes`) included."""
    found = {change.name: change for change in (*CONTROLS, *REMEDIES)}
    found |= {point.name: point.load() for point in entry_points(group="byrote.changes")}
    return dict(sorted(found.items()))


def parse_change(text: str) -> Change:
    """The change that `name`, `name=amount` or `name=amount,key=value` stands for.

    The amount is the change's first setting; values are of the settings' types, and paths where these are paths.

    Example:
        >>> parse_change("weight-decay=0.001")
        WeightDecay(amount=0.001)
        >>> parse_change("gradient-ascent=5,rate=0.1")
        GradientAscent(epochs=5, rate=0.1)

    Raises:
        BadInput: no such change or setting, or no such amount.
    """
    name, _, settings = text.partition("=")
    kind = find(changes(), name, "change", "changes")
    amount, others = _split(kind, settings)
    first = next(iter(dataclasses.fields(kind)), None)
    hints = get_type_hints(kind)
    given: dict[str, Any] = {}
    if amount and first is not None:
        given[first.name] = _amount(kind, first, hints[first.name], amount)
    elif amount:
        raise BadInput(f"The change {name!r} takes no amount. Got {amount!r}.", hint=f"--with {name}")
    kinds = {each.name: hints[each.name] for each in dataclasses.fields(kind)}
    usual = {each.name: each.default for each in dataclasses.fields(kind)}
    given |= typed(kinds, others, f"the change {name!r}", usual)
    try:
        made: Change = kind(**given)
    except TypeError:
        what, such = (
            ("a file", f"{name}=FILE")
            if first is not None and hints[first.name] is Path
            else ("an amount", f"{name}={_usual(kind)}")
        )
        raise BadInput(f"The change {name!r} needs {what}.", hint=such) from None
    return made


def _split(kind: type[Any], settings: str) -> tuple[str, dict[str, str]]:
    """The amount and the other settings; a text with `=` that names no setting is an amount that cannot be read."""
    if "," not in settings and settings.partition("=")[0] not in {each.name for each in dataclasses.fields(kind)}:
        return settings, {}
    return split_settings(settings)


def _usual(change: type[Any]) -> Any:
    """What hints name as the first setting: what is usual, or what it is unless given."""
    first = dataclasses.fields(change)[0].default
    return getattr(change, "usual", 0.05 if first is dataclasses.MISSING else first)


def _amount(change: type[Any], first: dataclasses.Field[Any], kind: Any, text: str) -> Any:
    name, usual = change.name, _usual(change)
    if kind not in (int, float):
        return value_of(kind, text, first.name, f"the change {name!r}")
    try:
        value = kind(text)
    except ValueError:
        words = "a whole number" if kind is int else "a number"
        raise BadInput(
            f"The amount of the change {name!r} must be {words}. Got {text!r}.",
            hint=f"{name}={usual}",
        ) from None
    if not 0 < value < float("inf"):
        raise BadInput(
            f"The amount of the change {name!r} must be positive and finite. Got {text!r}.",
            hint=f"{name}={usual}",
        )
    return value
