from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from byrote.evidence.seals import BLANK, write_sealed
from byrote.report import svg
from byrote.report.language_report import write_language_report
from byrote.report.language_twin import schema
from byrote.report.twin import FILE
from byrote.report.verify import Fault, verify
from byrote.runs.run import Run
from documents import small_language_audit
from report.made import MAIL, secrets

jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")


def fits(made: dict[str, Any]) -> list[str]:
    validator = jsonschema.Draft202012Validator(schema())
    return [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(made)]


def read(run: Run) -> dict[str, Any]:
    made: dict[str, Any] = json.loads((run.folder / FILE).read_text("utf-8"))
    return made


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    assert fits({"schema": 1})


def test_the_twin_says_what_the_page_says_and_holds_no_text(attacked: Run) -> None:
    for shown in ({}, {"show_secrets": True}, {"redact": True}):
        page, found = write_language_report(attacked, **shown)
        made = read(attacked)
        assert fits(made) == []
        assert made["headline"]["title"] in page.read_text("utf-8")
        text = (attacked.folder / FILE).read_text("utf-8")
        assert not any(secret in text for secret in secrets(attacked))
        assert MAIL not in text.replace(f"{MAIL}", "", text.count(f'"document": "{MAIL}'))
        assert verify(Run.open(attacked.folder)) == []
    assert made["sections"][0]["name"] == "passages"
    assert "Texts are left out" in made["sections"][0]["blocks"][0]["text"]
    assert made["recited"]["trained"]["texts"] == found.recitation.of_trained[1]
    assert found.exposures is not None
    first = made["secrets"]["exposure"][0]
    assert first["value"] == found.exposures.values[0]
    assert made["secrets"]["planted"]["canaries"] == int((found.exposures.repetitions > 0).sum())
    assert made["unintended_memorization"]["note"]
    assert made["run"]["parameters"] == attacked.manifest.parameters


def test_a_twin_that_was_edited_is_told(attacked: Run) -> None:
    write_language_report(attacked)
    made = read(attacked)
    made["recited"]["trained"]["recited"] += 1
    (attacked.folder / FILE).write_text(json.dumps(made))
    (fault,) = verify(Run.open(attacked.folder))
    assert fault == Fault(where=FILE, problem="it does not fit the digest that it carries")
    del made["seal"]
    write_sealed(attacked.folder / FILE, json.dumps({"seal": BLANK, **made}).encode())
    (fault,) = verify(Run.open(attacked.folder))
    assert fault.where == FILE
    assert fault.problem == "its recited.trained.recited does not follow from the evidence"


@pytest.mark.parametrize("changes", [{"models": 4}, {"heldout": None}])
def test_a_run_without_canaries_or_of_pairs_fits_it_too(tmp_path: Path, changes: dict[str, Any]) -> None:
    run = small_language_audit(tmp_path / "run", **changes)
    write_language_report(run)
    made = read(run)
    assert fits(made) == []
    assert made["secrets"] is None
    result = made["counterfactual_memorization"]
    assert (result is not None) == ("models" in changes)
    if result is not None:
        measured = run.measure("counterfactual_memorization")
        assert result["top"][0]["value"] == pytest.approx(np.nanmax(measured.values))


@pytest.mark.slow
def test_every_figure_becomes_a_png_and_an_svg(attacked: Run, tmp_path: Path) -> None:
    write_language_report(attacked, figures=tmp_path)
    names = set(read(attacked)["figures"])
    assert {"exposure", "null", "training"} <= names
    assert {path.name for path in tmp_path.iterdir()} == {f"{n}.{kind}" for n in names for kind in ("png", "svg")}
    for name in names:
        text = (tmp_path / f"{name}.svg").read_text("utf-8")
        ElementTree.fromstring(text)
        assert not [colour for colour in (svg.INK, svg.MUTED, svg.LINE, *svg.SERIES) if colour in text]
