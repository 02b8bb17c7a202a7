"""The names of evidence. A name means one thing everywhere: in shards, in a measure's needs, in imported arrays.

A kind stands in a file of `byrote.evidence.kinds`, or with the probe that writes it. The latter are looked for only
where a name is asked for that the former do not have, for probes need torch.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Final

from byrote.errors import BadInput
from byrote.evidence.kind import Kind, Quantity
from byrote.evidence.kinds._answers import correct_of, loss_of, size_of, squared
from byrote.parts import load_entered, modules_of

__all__ = [
    "SCHEMA",
    "Kind",
    "Quantity",
    "correct_of",
    "every_kind",
    "find_kind",
    "kind_of",
    "loss_of",
    "quantity",
    "register",
    "size_of",
    "squared",
]

#: The entry point group of other packages' probes, whose modules state their kinds of evidence.
PROBES: Final = "byrote.probes"
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_KINDS: dict[str, Kind] = {}


def register(kind: Kind) -> Kind:
    """Enter a kind of evidence, and hand it back.

    Raises:
        BadInput: its name is no folder's, or another kind has it.
    """
    if not _NAME.fullmatch(kind.name):
        raise BadInput(
            f"A kind of evidence cannot be called {kind.name!r}.",
            hint="use lower-case letters, digits and underscores, as in last_layer.",
        )
    known = _KINDS.get(kind.name)
    if known is not None and known.says != kind.says:
        raise BadInput(
            f"There are two kinds of evidence called {kind.name!r}.", hint="give the kind of your own another name."
        )
    _KINDS[kind.name] = kind
    return kind


@cache
def _stated() -> None:
    """Enter the kinds of `byrote.evidence.kinds`."""
    for module in modules_of("byrote.evidence.kinds"):
        for value in vars(module).values():
            if isinstance(value, Kind):
                register(value)


@cache
def _of_probes() -> None:
    """Enter the kinds that stand with their probes, which register them as they are imported."""
    importlib.import_module("byrote.probes.registry").load()
    load_entered(PROBES)


def find_kind(name: str) -> Kind | None:
    """The kind of that name; None where there is none."""
    _stated()
    if name not in _KINDS and _NAME.fullmatch(name):
        _of_probes()
    return _KINDS.get(name)


def every_kind() -> tuple[Kind, ...]:
    """Every kind of evidence, those of probes of other packages included."""
    _stated()
    _of_probes()
    return tuple(_KINDS.values())


def kind_of(name: str) -> Kind:
    """The kind of `kind` or `kind.quantity`.

    Raises:
        BadInput: there is none.
    """
    found = find_kind(name.partition(".")[0])
    if found is None:
        raise BadInput(
            f"There is no kind of evidence named {name.partition('.')[0]!r}.",
            hint=f"the kinds are {', '.join(sorted(kind.name for kind in every_kind()))}.",
        )
    return found


class _Schema(Mapping[str, Mapping[str, Quantity]]):
    """The quantities of each kind by name."""

    def __getitem__(self, name: str) -> Mapping[str, Quantity]:
        found = find_kind(name)
        if found is None or not found.quantities:
            raise KeyError(name)
        return found.quantities

    def __iter__(self) -> Iterator[str]:
        return (kind.name for kind in every_kind() if kind.quantities)

    def __len__(self) -> int:
        return sum(1 for _ in self)


#: All evidence: `SCHEMA["outputs"]["loss"]` has dims, dtype, unit and meaning.
SCHEMA: Final = _Schema()


def quantity(name: str) -> Quantity:
    """The entry of `kind.quantity`; of `kind.axis` where the places of that axis have names.

    Raises:
        BadInput: the schema has no such name.
    """
    kind, _, column = name.partition(".")
    found = find_kind(kind)
    if found is not None and column in found.quantities:
        return found.quantities[column]
    if found is not None and column in found.coordinates:
        return Quantity((column,), "str", "", found.coordinates[column])
    names = sorted(f"{k}.{c}" for k, columns in SCHEMA.items() for c in columns)
    raise BadInput(f"There is no evidence named {name!r}.", hint=f"the names are {', '.join(names)}.")
