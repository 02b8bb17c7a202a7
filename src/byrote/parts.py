"""How catalogs find their parts: the modules of a package of byrote, and what other packages enter."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any


def modules_of(package: str) -> Iterator[ModuleType]:
    """Every module of a package, imported.

    Example:
        >>> [module.__name__ for module in modules_of("byrote.changes.decoder")]
        ['byrote.changes.decoder.ngram_guard']
    """
    path = importlib.import_module(package).__path__
    for found in pkgutil.iter_modules(path, f"{package}."):
        yield importlib.import_module(found.name)


def public(module: str, name: str) -> Any:
    """A function of a module of byrote that stands above the caller; methods of results and runs end in such calls.

    Example:
        >>> public("results", "decimal").__name__
        'decimal'
    """
    return getattr(importlib.import_module(f"byrote.{module}"), name)


def load_entered(*groups: str) -> None:
    """Import what other packages enter under these groups of entry points."""
    for group in groups:
        for point in entry_points(group=group):
            point.load()


def load_package(package: str, *groups: str) -> None:
    """Import every module of a package of byrote, and what other packages enter under these groups."""
    for _ in modules_of(package):
        pass
    load_entered(*groups)
