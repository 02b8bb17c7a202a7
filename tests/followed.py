"""Hints that are followed: a call that fails, what its hint says, and the call that does as it says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from byrote.errors import ByroteError


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is done wrong, words of the hint that it brings, and what is done as they say; all in a folder."""

    name: str
    wrong: Callable[[Path], Any]
    says: str
    right: Callable[[Path], Any]


def each(*cases: Case) -> pytest.MarkDecorator:
    """Runs a test with every case."""
    return pytest.mark.parametrize("case", cases, ids=[case.name for case in cases])


def follow(case: Case, folder: Path) -> None:
    """Do what is wrong, read the hint, and do what it says; that must succeed."""
    with pytest.raises(ByroteError) as told:
        case.wrong(folder)
    assert case.says in told.value.hint, told.value.hint
    case.right(folder)
