"""The pre-commit hook and the GitHub Action run `byrote check` with what they are given."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from byrote.cli.app import app

yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
ROOT = Path(__file__).parents[1]
HOOK: dict[str, Any] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))[0]
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))


def parsed(words: list[str]) -> dict[str, Any]:
    """The options that `byrote check` gets by these words."""
    from typer.main import get_command

    assert words[:2] == ["byrote", "check"]
    command = get_command(app).commands["check"]  # type: ignore[attr-defined]
    return dict(command.make_context("check", words[2:]).params)


def acted(folder: Path, **inputs: str) -> tuple[list[str], int]:
    """The words that the action's last step calls byrote with, and the status that it ends with if byrote fails."""
    byrote = folder / "byrote"
    byrote.write_text('#!/bin/bash\nprintf "%s\\0" byrote "$@" > "$CALLED"\nexit 1\n')
    byrote.chmod(0o755)
    given = {name: one.get("default", "") for name, one in ACTION["inputs"].items()} | inputs
    step = ACTION["runs"]["steps"][-1]
    values = {name: given[value.removeprefix("${{ inputs.").removesuffix(" }}")] for name, value in step["env"].items()}
    called = folder / "called"
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    ended = subprocess.run(
        ["bash", "-e", "-c", step["run"]], env={**values, "PATH": path, "CALLED": str(called)}, check=False
    )
    return called.read_text().split("\0")[:-1], ended.returncode


def test_the_hook_takes_the_arguments_of_a_check() -> None:
    given = parsed([*shlex.split(HOOK["entry"]), "runs/mine", "--fail-if", "memorized.share > .2"])
    assert given["fail_if"] == ["memorized.share > .2"]
    assert (HOOK["pass_filenames"], HOOK["always_run"]) == (False, True)


def test_the_action_checks_every_condition_and_fails_as_the_check_does(tmp_path: Path) -> None:
    conditions = "memorized.share > .2\n\nlabel_memorization.top1% > .5\n"
    words, status = acted(tmp_path, run="runs/my run", **{"fail-if": conditions})
    given = parsed(words)
    assert (str(given["run_folder"]), status) == ("runs/my run", 1)
    assert given["fail_if"] == ["memorized.share > .2", "label_memorization.top1% > .5"]
    assert not given["strict"]
    assert given["junit_file"] is None


def test_the_action_passes_on_what_else_is_asked_and_runs_none_of_it(tmp_path: Path) -> None:
    hostile = '$(touch "' + str(tmp_path / "ran") + '")'
    words, _ = acted(tmp_path, run=hostile, strict="true", junit="out.xml", **{"fail-if": hostile})
    given = parsed(words)
    assert (str(given["run_folder"]), given["fail_if"]) == (hostile, [hostile])
    assert (given["strict"], str(given["junit_file"])) == (True, "out.xml")
    assert not (tmp_path / "ran").exists()


def test_no_input_is_put_into_a_script() -> None:
    assert not any("${{" in step["run"] for step in ACTION["runs"]["steps"])
