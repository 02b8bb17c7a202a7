"""What each extra of the project promises, where all of it is installed; tools/wheel_check.py asks where it is not."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from byrote.cli import doctor

ROOT = Path(__file__).parents[1]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
#: What transformers asks for where byrote loads a model; what byrote finds without importing it; and what is imported
#: under another name.
NOT_IMPORTED = {"accelerate", "infini-gram", "python-stdnum"}


def imported() -> set[str]:
    """Every package that a file of byrote imports."""
    found = set()
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                found |= {name.name.partition(".")[0] for name in node.names}
            if isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.partition(".")[0])
    return found


@pytest.mark.parametrize("extra", sorted(EXTRAS))
def test_all_that_an_extra_names_is_there(extra):
    wanted = [Requirement(text) for text in EXTRAS[extra] if not text.startswith("byrote[")]
    named = [Requirement(f'{one.name}{one.specifier}; extra == "{extra}"') for one in wanted]
    state, note = doctor._extra(extra, named)[1:]
    if extra == "infini-gram" and state == "missing":
        pytest.skip("the package infini-gram is not installed")
    if extra in ("ray", "trl") and state == "missing":
        pytest.skip(f"needs the extra {extra}")
    assert state == "installed", note


def test_what_an_extra_names_is_used():
    named = {
        Requirement(text).name for extra, texts in EXTRAS.items() if extra not in ("dev", "docs") for text in texts
    }
    assert {name.replace("-", "_") for name in named - NOT_IMPORTED} <= imported()
