from __future__ import annotations

import pkgutil
import subprocess
import sys
import types

import pytest

import byrote
from over_all import over_all

HEAVY = ("torch", "matplotlib", "pyarrow", "rich", "numpy")


def asked(code: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_import_brings_nothing_heavy() -> None:
    assert asked(f"import sys, byrote; print([name for name in {HEAVY} if name in sys.modules])") == "[]"


def test_data_comes_without_torch() -> None:
    code = "import sys, byrote; byrote.Dataset, byrote.from_arrays, byrote.digits; print('torch' in sys.modules)"
    assert asked(code) == "False"


def test_the_version_is_that_of_the_package() -> None:
    from importlib.metadata import version

    assert byrote.__version__ == version("byrote")


@pytest.mark.slow
def test_dir_is_what_can_be_got() -> None:
    assert dir(byrote) == sorted(byrote.__all__)
    code = "import byrote; print([name for name in dir(byrote) if getattr(byrote, name) is None])"
    assert asked(code) == "[]"


@over_all("name", {name: name for name in byrote.__all__})
def test_every_name_is_the_thing_of_that_name(name: str) -> None:
    found = getattr(byrote, name)
    assert not isinstance(found, types.ModuleType)
    assert found.__name__ == name


def test_no_name_is_that_of_a_submodule() -> None:
    modules = {module.name for module in pkgutil.iter_modules(byrote.__path__)}
    assert not modules & set(byrote.__all__)


def test_a_name_that_is_none() -> None:
    with pytest.raises(AttributeError, match="module 'byrote' has no attribute 'memorize'"):
        _ = byrote.memorize


@pytest.mark.parametrize("module", ["byrote", pytest.param("byrote.cli", marks=pytest.mark.slow)])
def test_the_command_line_runs_as_a_module(module: str) -> None:
    done = subprocess.run([sys.executable, "-m", module, "--version"], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == f"byrote {byrote.__version__}"


def test_no_help_needs_torch() -> None:
    code = """
import sys
from typer.testing import CliRunner
from byrote.cli.app import app
commands = [one.name or one.callback.__name__.replace("_", "-") for one in app.registered_commands]
for command in ("", *commands):
    done = CliRunner().invoke(app, [*command.split(), "--help"])
    assert done.exit_code == 0, (command, done.output)
    assert "torch" not in sys.modules, command
print(len(commands) > 20)
"""
    assert asked(code) == "True"
