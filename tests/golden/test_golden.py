"""Runs that version 0.1.0 made still open, measure and verify; what made them goes on with them or says why not."""

from __future__ import annotations

import json
import os
import runpy
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from byrote.cli.app import main
from byrote.errors import ByroteError
from byrote.runs.run import Run
from golden import anew
from golden.facts import facts

MADE = Path(__file__).parent / "0.1.0"
KINDS = sorted(folder.name for folder in MADE.iterdir())
#: What is computed again may differ by so much.
CLOSE = 1e-5

#: Kinds that are trained again in every run of the tests.
QUICK: dict[str, Any] = {"groups": ()}

Say = Callable[..., tuple[int, str]]


@pytest.fixture(params=KINDS)
def told(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What is known of a golden run, which is `run` in the current folder, beside what it was made from."""
    shutil.copytree(MADE / request.param, tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    found: dict[str, Any] = json.loads(Path("facts.json").read_text("utf-8"))
    return found


@pytest.fixture
def byrote(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Say:
    """Runs a command in this process; its status and what it printed. Whatever it raises is raised."""

    def call(*words: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["byrote", *words])
        status = 0
        try:
            main()
        except SystemExit as end:
            status = int(end.code or 0)
        said = capsys.readouterr()
        return status, said.out + said.err

    return call


def test_every_kind_is_there() -> None:
    trained = ["documents", "groups", "labels", "large_group", "read_otherwise", "regression", "two_splits"]
    assert sorted([*trained, "foreign_gpt", "imported", "privacy_meter", "recorded"]) == KINDS


def test_it_says_what_it_said(told: dict[str, Any]) -> None:
    unchanged(told)


def test_it_verifies(told: dict[str, Any], byrote: Say) -> None:
    if "source" in told:  # of which this version may make other data, so that it is not at hand
        Path(told["source"]).unlink()
    status, said = byrote("verify", "run")
    assert status == 0, said


@pytest.mark.parametrize(
    "told",
    [pytest.param(kind, marks=() if kind in ("documents", "groups") else pytest.mark.slow) for kind in KINDS],
    indirect=True,
)
def test_what_made_it_goes_on_or_says_why_not(told: dict[str, Any], byrote: Say) -> None:
    """An audit goes on, unless its file is another dataset now; what is finished refuses a second one."""
    before = kept("run")
    status, said = byrote(*told["command"]) if "command" in told else scripted(told["script"])
    audited = told.get("command", [""])[0] == "audit"
    assert status == 0 if audited and "source" not in told else status in (0, 2), said
    assert status == 0 or ("Error: " in said and "Hint: " in said), said
    assert kept("run") == before
    unchanged(told)


def scripted(script: str) -> tuple[int, str]:
    """Runs what a script makes again, as a command is run."""
    try:
        runpy.run_path(script)["make"]("run")
    except ByroteError as refused:
        return 2, f"Error: {refused.message} Hint: {refused.hint}"
    return 0, ""


def kept(folder: str) -> dict[str, bytes]:
    """The bytes of what a run's results rest on."""
    return {
        os.fspath(path): path.read_bytes()
        for path in sorted(Path(folder).rglob("*"))
        if path.suffix in (".safetensors", ".jsonl") or path.name in ("examples.parquet", "controls.parquet")
    }


def unchanged(told: dict[str, Any]) -> None:
    """Arrays and texts are as they were, and measures to rounding."""
    found = json.loads(json.dumps(facts(Run.open("run"), told["measures"])))
    measured = found.pop("values")
    for name, value in found.items():
        assert value == told[name], name
    assert measured.keys() == told["values"].keys() == set(told["measures"])
    for key, results in told["values"].items():
        assert measured[key].keys() == results.keys()
        for name, expected in results.items():
            numbers = np.array(measured[key][name], np.float64), np.array(expected, np.float64)
            np.testing.assert_allclose(*numbers, rtol=CLOSE, atol=CLOSE, err_msg=f"{key} {name}")


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=() if kind in QUICK else pytest.mark.slow) for kind in anew.KINDS]
)
def test_models_that_are_trained_anew_say_the_same(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not those of version 0.1.0, but those of the last change that was meant to alter what is trained."""
    shutil.copytree(MADE / kind, tmp_path / "project", ignore=shutil.ignore_patterns("run"))
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setattr(sys, "argv", sys.argv)
    expected = json.loads(anew.SAID.read_text("utf-8"))[kind]
    found = anew.trained(kind)
    assert found.keys() == expected.keys()
    for name, sums in expected.items():
        for which, numbers in sums.items():
            np.testing.assert_allclose(found[name][which], numbers, rtol=1e-4, atol=1e-4, err_msg=f"{name} {which}")
