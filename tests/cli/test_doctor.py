from __future__ import annotations

import tomllib
from importlib.metadata import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import byrote.cli.doctor as doctor


def test_every_extra_of_the_project_is_listed() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    listed = {what for what, _, _ in doctor.extras()}
    if set(metadata("byrote").get_all("Provides-Extra") or ()) != set(project["optional-dependencies"]):
        pytest.skip("pyproject.toml changed since byrote was installed")
    assert listed == {f"byrote[{name}]" for name in project["optional-dependencies"]}


def test_what_is_missing_comes_with_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = [Requirement(f'{text}; extra == "more"') for text in ("numpy>=1", "nothing-of-this-name>=2")]
    what, found, note = doctor._extra("more", wanted)
    assert (what, found) == ("byrote[more]", "in part")
    assert note == "optional, without nothing-of-this-name: pip install 'byrote[more]'"
    assert doctor._extra("more", wanted[1:])[1] == "missing"
    assert doctor._extra("more", wanted[:1])[1] == "installed"
    old = [Requirement('numpy>=999; extra == "more"')]
    assert doctor._extra("more", old)[1:] == ("in part", "optional, it needs numpy>=999: pip install 'byrote[more]'")
    elsewhere = [Requirement('numpy>=1; sys_platform == "plan9" and extra == "more"')]
    assert doctor._extra("more", elsewhere)[1:] == ("none", "not for this machine")
