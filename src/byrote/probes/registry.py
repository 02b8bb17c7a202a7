"""Probes by name: those of this package, and those of others (entry point group `byrote.probes`)."""

from __future__ import annotations

import copy
import re
from functools import cache
from typing import Final, TypeVar

from byrote.errors import BadInput, meant
from byrote.evidence.schema import PROBES, register
from byrote.parts import load_package
from byrote.probes.contract import Probe, When

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
    """The probes that run while models train, or (`after`) those that can read a run's weights later, by name.

    Probes that look at checkpoints or at the end are in both.
    """
    load()
    never: When = "step" if after else "after"
    return {name: one for name, one in sorted(_ENTERED.items()) if never not in one.when}


def name_of(text: str) -> str:
    """The name of a probe before its settings.

    Example:
        >>> name_of("decoding,temperature=0.7"), name_of("decoding:temperature=0.7")
        ('decoding', 'decoding')
    """
    return re.split("[,:]", text, maxsplit=1)[0]


def made(text: str, *, after: bool = False) -> Probe:
    """A copy of the probe that `name` stands for, or `name,setting=value`, of those that `probes` has.

    A colon after the name is an earlier spelling.

    Raises:
        BadInput: there is no such probe, or no such setting.
    """
    name = name_of(text)
    settings = text[len(name) + 1 :].split(",") if len(text) > len(name) else []
    known = probes(after=after)
    if after and name not in known and name in probes():
        raise BadInput(
            f"The probe {name!r} looks at the steps of a training, and kept weights have none.",
            hint=f"audit into another folder with --probe {name}.",
        )
    if name not in known:
        raise BadInput(
            f"There is no probe {name!r} that looks {'after' if after else 'during'} the training.",
            hint=f"{meant(name, known)}they are {', '.join(known)}.",
        )
    found = copy.copy(known[name])
    return found.with_settings(settings) if settings else found
