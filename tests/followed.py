"""Hints that are followed: a call that fails, what its hint says, and the call that does as it says.

What was followed is measured: an error made at a place with a hint, and then a call that goes through. The table
`hints/followed.txt` keeps it, a line for each place with its test; `python tools/hints.py` writes it anew, and
`hints/conftest.py` compares it with what each test follows.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from byrote.errors import ByroteError
from hinted import Place, made_at

TABLE = Path(__file__).parent / "hints" / "followed.txt"
#: A file that the places are written to as they are followed, in place of being compared with the table.
WRITTEN_TO = "BYROTE_HINTS"
#: What the running test has followed so far.
FOLLOWED: set[str] = set()


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is done wrong, words of the hint that it brings, and what is done as they say; all in a folder.

    A `slow` case trains for more than a second, and is left out of `make test`.
    """

    name: str
    wrong: Callable[[Path], Any]
    says: str
    right: Callable[[Path], Any]
    slow: bool = False


def each(*cases: Case) -> pytest.MarkDecorator:
    """Runs a test with every case."""
    given = [pytest.param(case, id=case.name, marks=pytest.mark.slow if case.slow else ()) for case in cases]
    return pytest.mark.parametrize("case", given)


def follow(case: Case, folder: Path) -> None:
    """Do what is wrong, read the hint, and do what it says; that must succeed."""
    with watched() as made, pytest.raises(ByroteError) as told:
        case.wrong(folder)
    assert case.says in told.value.hint, told.value.hint
    case.right(folder)
    went_through(made.get(id(told.value), []))


def without(package: str, call: Callable[[Path], Any]) -> Callable[[Path], Any]:
    """The call where a package is not installed."""

    def hidden(folder: Path) -> Any:
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(sys.modules, package, None)
            return call(folder)

    return hidden


@contextmanager
def watched() -> Iterator[dict[int, list[Place]]]:
    """The places of every error that is made meanwhile."""
    made: dict[int, list[Place]] = {}
    original = ByroteError.__init__

    def init(self: ByroteError, message: str, *, hint: str) -> None:
        original(self, message, hint=hint)
        made[id(self)] = [*made_at(sys._getframe(1), self.hint)]

    ByroteError.__init__ = init  # type: ignore[method-assign]
    try:
        yield made
    finally:
        ByroteError.__init__ = original  # type: ignore[method-assign]


def went_through(found: list[Place]) -> None:
    """Note that the hints of these places were followed."""
    FOLLOWED.update(place.name for place in found)


def running() -> str:
    """The test that runs, as pytest names it from the folder of the hints."""
    return os.environ["PYTEST_CURRENT_TEST"].rpartition(" (")[0].partition("hints/")[2]


@cache
def table() -> dict[str, str]:
    """The test that follows the hint of each place."""
    return rows_of(TABLE)


def rows_of(path: Path) -> dict[str, str]:
    """A table of places and what is said of each."""
    return dict(line.partition("\t")[::2] for line in path.read_text("utf-8").splitlines())
