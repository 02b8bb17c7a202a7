"""The package under `examples/extension`: installed as any other, and made of public names alone."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import byrote

PACKAGE = Path(__file__).parent.parent / "examples" / "extension"
FILES = sorted((PACKAGE / "src" / "byrote_extension").glob("*.py"))
TESTS = sorted((PACKAGE / "tests").glob("*.py"))


def private(source: str) -> Iterator[str]:
    """Names in a file that begin with one underscore: what it imports, takes as an attribute, or calls by a string."""
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom):
            names = [*(node.module or "").split("."), *(alias.name for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [part for alias in node.names for part in alias.name.split(".")]
        elif isinstance(node, ast.Attribute):
            names = [node.attr]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names = node.value.split(".") if node.value.isascii() and " " not in node.value else []
        yield from (name for name in names if name.startswith("_") and not name.startswith("__"))


def without_docstring(source: str) -> Iterator[str]:
    """What a file imports from byrote that says nothing of itself."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "byrote":
            module = importlib.import_module(node.module or "")
            for alias in node.names:
                thing = getattr(module, alias.name)
                if callable(thing) and not (thing.__doc__ or "").strip():
                    yield f"{node.module}.{alias.name}"


def test_what_is_private_is_seen() -> None:
    found = set(private('import a._b\nfrom a import _c\nx._d\ngetattr(x, "_e")\nx.__doc__\n"says _ this"'))
    assert found == {"_b", "_c", "_d", "_e"}


@pytest.mark.parametrize("file", [*FILES, *TESTS], ids=lambda file: file.name)
def test_it_uses_no_private_name_and_none_without_a_docstring(file: Path) -> None:
    source = file.read_text("utf-8")
    assert [*private(source)] == []
    assert [*without_docstring(source)] == []


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package as pip installs it; from a copy, for building leaves files beside the source."""
    place = tmp_path_factory.mktemp("extension")
    source = shutil.copytree(PACKAGE, place / "source", ignore=shutil.ignore_patterns("__pycache__"))
    words = ["install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target", place / "installed"]
    done = subprocess.run([sys.executable, "-m", "pip", *words, source], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return place / "installed"


@pytest.mark.slow
def test_its_own_tests_pass_where_it_is_installed(installed: Path, tmp_path: Path) -> None:
    """They find it by its entry points, audit with its probe and objective, measure, ask, train, change, report."""
    path = os.pathsep.join([str(Path(byrote.__file__).parent.parent), str(installed)])
    words = [
        "-W",
        "error",
        "-p",
        "no:cacheprovider",
        "--verbosity=0",
        PACKAGE / "tests",
        installed / "byrote_extension",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path}, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
    assert (" skipped" in done.stdout) == (importlib.util.find_spec("tokenizers") is None)


def test_the_documentation_shows_its_files_as_they_are() -> None:
    page = (PACKAGE.parent.parent / "docs" / "extending.md").read_text("utf-8")
    shown = dict(re.findall(r"^```python\n# (\w+)\.py\n(.*?)^```$", page, re.DOTALL | re.MULTILINE))
    files = {file.stem: file.read_text("utf-8") for file in FILES}
    assert shown == {name: files[name] for name in shown}
    assert len(shown) == 7
    assert all(f"`{name}.py`" in page for name in files if name != "__init__")
