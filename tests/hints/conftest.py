"""What each test of hints follows is compared with the table, or written down for it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from followed import FOLLOWED, WRITTEN_TO, running, table

#: Every test that was found, whether it is chosen to run or not.
COLLECTED: set[str] = set()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Take note of it."""
    COLLECTED.add(item.nodeid.partition("hints/")[2])


@pytest.fixture
def collected() -> set[str]:
    """Every test of hints in the files that were asked for."""
    return COLLECTED


@pytest.fixture(autouse=True)
def measured() -> Iterator[None]:
    """The table knows every hint that the test followed, and the test followed every one that the table gives it."""
    FOLLOWED.clear()
    yield
    if out := os.environ.get(WRITTEN_TO):
        with Path(out).open("a", encoding="utf-8") as file:
            file.writelines(f"{name}\t{running()}\n" for name in sorted(FOLLOWED))
        return
    assert {*table()} >= FOLLOWED, "run `python tools/hints.py`: the table does not know all that is followed"
    assert {name for name, test in table().items() if test == running()} <= FOLLOWED
