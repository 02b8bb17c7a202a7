"""Places of the source that bring a hint, and which of them an error was made at."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from types import FrameType

import byrote

SOURCE = Path(byrote.__file__).parent


@dataclass(frozen=True)
class Place:
    """A call with a hint: its file, its lines, what it says with … for what is filled in, and parts of its hint."""

    file: str
    first: int
    last: int
    message: str
    parts: tuple[str, ...]

    @property
    def name(self) -> str:
        """What it is known by as lines move."""
        return f"{self.file}: {self.message}"


@cache
def places() -> tuple[Place, ...]:
    """Every place with a hint; of a hint with two forms, each."""
    return tuple(place for path in sorted(SOURCE.rglob("*.py")) for place in _places_of(path))


@cache
def _by_file() -> dict[str, list[Place]]:
    return {file: [*some] for file, some in groupby(places(), lambda place: place.file)}


def made_at(frame: FrameType | None, hint: str) -> Iterator[Place]:
    """The places on the way to a frame that gave this hint."""
    while frame is not None:
        file = Path(frame.f_code.co_filename)
        if file.is_relative_to(SOURCE):
            name, line = file.relative_to(SOURCE).as_posix(), frame.f_lineno
            for place in _by_file().get(name, ()):
                if place.first <= line <= place.last and all(part in hint for part in place.parts):
                    yield place
        frame = frame.f_back


def _places_of(path: Path) -> Iterator[Place]:
    file = path.relative_to(SOURCE).as_posix()
    found = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        for keyword in node.keywords if isinstance(node, ast.Call) else ():
            if keyword.arg == "hint":
                found += [(node, form) for form in _forms(keyword.value)]
    said = Counter(_said(call) for call, _ in found)
    for call, form in found:
        message = _said(call) if said[_said(call)] == 1 else f"{_said(call)} Hint: {_written(form)}"
        yield Place(file, call.lineno, call.end_lineno or 0, message, tuple(_parts(form)))


def _said(call: ast.Call) -> str:
    return _written(call.args[0]) if call.args else ast.unparse(call)


def _forms(value: ast.expr) -> list[ast.expr]:
    return [value.body, value.orelse] if isinstance(value, ast.IfExp) else [value]


def _written(value: ast.expr) -> str:
    parts = list(_parts(value, filled="…"))
    return " ".join("".join(parts).split()) if parts else ast.unparse(value)


def _parts(value: ast.expr, filled: str = "") -> Iterator[str]:
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        yield value.value
    elif isinstance(value, ast.JoinedStr):
        yield from (part.value if isinstance(part, ast.Constant) else filled for part in value.values)
    elif isinstance(value, ast.BinOp):
        yield from _parts(value.left, filled)
        yield from _parts(value.right, filled)
