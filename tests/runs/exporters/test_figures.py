from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from byrote.errors import BadInput, MissingEvidence
from byrote.evidence.seals import BLANK, KEY, sealed
from byrote.runs.exporters.figures import FILE, Figure, figures_of, report_of
from byrote.runs.run import Run
from report.made import make_run


def figure(value: float | None, low: float | None = None, high: float | None = None) -> dict[str, Any]:
    return {"value": value, "stderr": None, "low": low, "high": high, "models": 8}


REPORT: dict[str, Any] = {
    "byrote": "1.2",
    "run": {"name": "mine", "created": "2026-01-02T03:04:05", "dataset": "pets|<b>", "examples": 40, "models": 8},
    "headline": {"title": "5 % are memorized", "lead": "", "warning": "Take_care"},
    "memorization": {
        "share": figure(0.2, 0.1, 0.3),
        "share_corrected": None,
        "mean": {"clean": figure(0.01), "label_noise": figure(None)},
        "accuracy": {"member": figure(1.0, 0.99, 1.0)},
        "top": [{"example": "a", "value": 1.0, "low": 0.9, "high": 1.0}],
    },
    "scores": [{"score": "x", "auroc": figure(0.9)}],
    "attacks": {
        "attacks": [
            {
                "attack": "lira",
                "figures": {"auc": figure(0.75, 0.7, 0.8), "tpr_at_fpr_0.1": figure(0.3)},
                "null": figure(0.5),
            }
        ]
    },
    "notes": ["x: not measured, because y is not recorded."],
}


def reported(folder: Path, report: dict[str, Any] = REPORT) -> Run:
    """A run with this report, and notes of its own."""
    run = make_run(folder)
    replace(run.manifest, notes=("One note.", "Take_care")).write(run.folder)
    (run.folder / FILE).write_bytes(sealed(json.dumps({KEY: BLANK, **report}).encode()))
    return Run.open(run.folder)


def test_figures_are_those_of_the_run_with_their_intervals() -> None:
    assert figures_of(REPORT) == {
        "memorization/share": Figure(value=0.2, low=0.1, high=0.3),
        "memorization/mean/clean": Figure(value=0.01),
        "memorization/accuracy/member": Figure(value=1.0, low=0.99, high=1.0),
        "attacks/lira/auc": Figure(value=0.75, low=0.7, high=0.8),
        "attacks/lira/tpr_at_fpr_0.1": Figure(value=0.3),
        "attacks/lira/null": Figure(value=0.5),
    }


def test_a_report_that_is_not_there_or_was_changed_is_refused(tmp_path: Path) -> None:
    run = reported(tmp_path / "run")
    assert report_of(run)["memorization"] == REPORT["memorization"]
    path = run.folder / FILE
    path.write_bytes(path.read_bytes().replace(b"0.75", b"0.55"))
    with pytest.raises(BadInput, match="was changed since byrote wrote it"):
        report_of(run)
    for content in (b"[]", b"{}", b"{"):
        path.write_bytes(content)
        with pytest.raises(BadInput, match="was changed since byrote wrote it"):
            report_of(run)
    path.unlink()
    with pytest.raises(MissingEvidence, match=r"has no report\.json.* byrote report"):
        report_of(run)
