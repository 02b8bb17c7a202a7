from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from byrote.report.facts import Facts
from byrote.report.page import write_report
from byrote.report.twin import schema
from byrote.results import PerExample
from report.made import make_run
from report.test_watched import recorded

jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")


def fits(made: dict[str, Any]) -> list[str]:
    validator = jsonschema.Draft202012Validator(schema())
    return [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(made)]


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    assert fits({"schema": 1})


def test_what_programs_rely_on_is_promised() -> None:
    promised = (
        "attacks byrote comparison figures groups headline memorization missing next notes onion run schema scores"
    )
    assert schema()["required"] == [*promised.split(), "triage"]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        pytest.param({"models": 2}, marks=pytest.mark.slow),
        pytest.param({"trajectories": False, "controls": False}, marks=pytest.mark.slow),
    ],
)
def test_the_twin_fits_its_schema_and_says_what_the_page_says(tmp_path: Path, changes: dict[str, Any]) -> None:
    run = make_run(tmp_path / "run", **changes)
    path, found = write_report(run)
    made = json.loads((run.folder / "report.json").read_text("utf-8"))
    assert fits(made) == []
    assert isinstance(found, Facts)
    assert made["memorization"]["share"]["value"] == found.memorized.value
    assert made["headline"]["title"] in path.read_text("utf-8").replace("\u00a0", " ")
    result = run.measure("label_memorization")
    assert isinstance(result, PerExample)
    first = made["memorization"]["top"][0]
    assert first["value"] == result.values[first["row"]] == np.nanmax(result.values)
    assert first["example"] == run.ids[first["row"]]
    assert ("reason" in made["attacks"]) == (changes.get("models") == 2)
    titles = [section["title"] for section in made["sections"]]
    assert titles[:2] == ["The most memorized examples", "Comparison: typical examples"]
    assert titles[-1] == "Provenance"
    gallery = next(block for block in made["sections"][0]["blocks"] if block["block"] == "Gallery")
    assert gallery["items"][0]["name"] in {card["example"] for card in made["memorization"]["top"]}


def test_a_watched_run_fits_it_too(tmp_path: Path) -> None:
    run = recorded(tmp_path / "run", ())
    write_report(run)
    made = json.loads((run.folder / "report.json").read_text("utf-8"))
    assert fits(made) == []
    assert made["memorization"]["measured"] is False
    assert made["memorization"]["score"] == "cumulative_sample_loss[presentation]"
