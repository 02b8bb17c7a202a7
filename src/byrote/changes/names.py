"""What changes state of themselves, read off their files, so that a command's help needs neither them nor torch."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final

#: The folders beside this module that hold changes, one per file or some that go together.
FOLDERS: Final = ("data", "recipe", "model", "decoder")


@cache
def stated() -> dict[str, dict[str, Any]]:
    """The constants in the class of each change of this package, as `stage` and `plants`, by the change's name."""
    here = Path(__file__).parent
    classes = [
        constants
        for folder in FOLDERS
        for file in sorted((here / folder).glob("*.py"))
        for constants in _classes(ast.parse(file.read_text("utf-8")))
    ]
    return {one["name"]: one for one in classes if {"name", "stage"} <= one.keys()}


def names(**constants: Any) -> list[str]:
    """The names of the changes that state these constants, sorted; of all, those of other packages included.

    Example:
        >>> "label-noise" in names(plants=True), "weight-decay" in names(plants=True), "weight-decay" in names()
        (True, False, True)
    """
    own = [name for name, one in stated().items() if constants.items() <= one.items()]
    others = [] if constants else [point.name for point in entry_points(group="byrote.changes")]
    return sorted({*own, *others})


def _classes(module: ast.Module) -> Iterator[dict[str, Any]]:
    for node in module.body:
        if isinstance(node, ast.ClassDef):
            yield {
                line.target.id: line.value.value
                for line in node.body
                if isinstance(line, ast.AnnAssign)
                and isinstance(line.target, ast.Name)
                and isinstance(line.value, ast.Constant)
            }
