"""What stands beside the package (benchmarks, tools) imports only what byrote has."""

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted([*(ROOT / "benchmarks").glob("*.py"), *(ROOT / "tools").glob("*.py")])


def imported(file: Path) -> Iterator[tuple[str, str]]:
    """Each name that a file takes from byrote, with its module."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "byrote":
            yield from ((node.module, alias.name) for alias in node.names)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_import_of_byrote_exists(file: Path) -> None:
    for module, name in imported(file):
        assert hasattr(importlib.import_module(module), name), f"{module} has no {name}"


def test_the_benchmarks_import_byrote() -> None:
    assert sum(len(list(imported(file))) for file in FILES) > 50


def test_make_bench_runs_every_benchmark() -> None:
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8").partition("\nbench: ")[2].partition("\n\n")[0]
    there = {file.name for file in (ROOT / "benchmarks").glob("[!_]*.py")}
    assert {word.removeprefix("benchmarks/") for word in recipe.split() if word.startswith("benchmarks/")} == there
