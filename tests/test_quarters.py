"""CI runs a quarter of the slow tests, which a commit's hash chooses."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from quarters import QUARTERS, quarter

IDS = [f"tests/some/test_file.py::test_it[{number}]" for number in range(4000)]


def test_every_test_is_in_one_of_four_quarters_of_about_one_size():
    sizes = [sum(quarter(name) == part for name in IDS) for part in range(QUARTERS)]
    assert sum(sizes) == len(IDS)
    assert max(abs(size - len(IDS) / QUARTERS) for size in sizes) < 100


def test_commits_choose_all_quarters():
    assert {quarter(f"{number:040x}") for number in range(40)} == set(range(QUARTERS))


def test_a_run_holds_the_slow_tests_of_its_quarter_and_all_others():
    kept = [{item.nodeid for item in collected(quarter_name)} for quarter_name in one_name_a_quarter()]
    slow = set(IDS[:200])
    assert collected(None) == made()
    assert set.union(*kept) == {item.nodeid for item in made()}
    for part, found in enumerate(kept):
        assert "tests/test_file.py::test_fast" in found
        assert {quarter(name) for name in found & slow} == {part}
        assert len(found & slow) == sum(quarter(name) == part for name in slow)


@dataclass(frozen=True)
class Item:
    """A test as pytest collects it."""

    nodeid: str
    slow: bool

    def get_closest_marker(self, name: str) -> bool | None:
        return (self.slow and name == "slow") or None


def made() -> list[Item]:
    return [Item("tests/test_file.py::test_fast", False), *(Item(name, True) for name in IDS[:200])]


def one_name_a_quarter() -> list[str]:
    names = {quarter(str(number)): str(number) for number in range(40)}
    return [names[part] for part in range(QUARTERS)]


def collected(chosen: str | None) -> list[Item]:
    """What the hook of these tests' conftest leaves of the tests."""
    text = (Path(__file__).parent / "conftest.py").read_text("utf-8")
    hook: dict[str, Any] = {"pytest": pytest, "quarter": quarter}
    exec(text[text.index("def pytest_collection_modifyitems") : text.index("def pytest_sessionfinish")], hook)
    items, told = made(), []
    config = SimpleNamespace(
        getoption=lambda name: chosen, hook=SimpleNamespace(pytest_deselected=lambda items: told.extend(items))
    )
    hook["pytest_collection_modifyitems"](config, items)
    assert len(items) + len(told) == len(made())
    return items
