"""Probes by name: those of this package, and those of others (entry point group `byrote.probes`)."""

from __future__ import annotations

import copy
import dataclasses
from functools import cache
from typing import Final, TypeVar

from byrote.errors import BadInput, meant
from byrote.evidence.schema import PROBES, register
from byrote.parts import load_package
from byrote.probes.contract import Probe

P = TypeVar("P", bound=type[Probe])
_ENTERED: Final[dict[str, Probe]] = {}


def probe(kind: P) -> P:
    """Enter a probe and the kinds of evidence that it writes, and hand it back; it must work without arguments.

    Raises:
        BadInput: another probe has its name, or another kind of evidence that of one of its kinds.
    """
    made = kind()
    known = _ENTERED.get(made.name)
    if known is not None and type(known).__qualname__ != kind.__qualname__:
        raise BadInput(f"There are two probes called {made.name!r}.", hint="give the probe of your own another name.")
    for one in made.kinds:
        register(one)
    _ENTERED[made.name] = made
    return kind


@cache
def load() -> None:
    """Import every module of `byrote.probes`; probes enter themselves as they are imported."""
    load_package("byrote.probes", PROBES)


def probes(*, after: bool = False) -> dict[str, Probe]:
    """The probes that look on while models train, or (`after`) those that read a run's weights later, by name."""
    load()
    chosen = {name: one for name, one in _ENTERED.items() if ("after" in one.when) == after}
    return dict(sorted(chosen.items()))


def made(text: str, *, after: bool = False) -> Probe:
    """A copy of the probe that `name` stands for, or `name,setting=value`, of those that `probes` has.

    Raises:
        BadInput: there is no such probe, or no such setting.
    """
    name, *settings = text.split(",")
    known = probes(after=after)
    if name not in known:
        raise BadInput(
            f"There is no probe {name!r} that looks {'after' if after else 'during'} the training.",
            hint=f"{meant(name, known)}they are {', '.join(known)}.",
        )
    found = copy.copy(known[name])
    return found if not settings else _set(found, settings)


def _set(found: Probe, settings: list[str]) -> Probe:
    """The probe with other settings, which are the fields of its dataclass."""
    fields = [f.name for f in dataclasses.fields(found)] if dataclasses.is_dataclass(found) else list[str]()
    values = {}
    for setting in settings:
        name, _, text = setting.partition("=")
        kind = type(getattr(found, name)) if name in fields else None
        if kind not in (int, float, str):
            raise BadInput(
                f"The probe {found.name!r} has no setting {name!r} that can be named here.",
                hint=f"its settings are {', '.join(fields) or 'none'}.",
            )
        try:
            values[name] = kind(text)
        except ValueError:
            raise BadInput(
                f"The setting {name!r} of {found.name!r} must be like {getattr(found, name)!r}. Got {text!r}.",
                hint=f"{found.name},{name}={getattr(found, name)}",
            ) from None
    return dataclasses.replace(found, **values)  # type: ignore[type-var]  # with settings it is a dataclass
