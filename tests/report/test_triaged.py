from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from byrote.analyses.catalog import keep
from byrote.analyses.triage import Triage
from byrote.report import triaged as module
from byrote.report.missing import Missing
from byrote.report.triaged import Triaged, triaged
from report.made import make_run
from small import small_audit


def made(ids: np.ndarray) -> Triage:
    return Triage(
        kinds=("label_noise", "ambiguous"),
        ids=ids[:4],
        memorization=np.ones(4),
        planted=np.array(["label_noise", "", "", ""]),
        probability=np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]]),
        confusion=np.array([[3, 1], [0, 4]]),
        log_loss=0.3,
        confidence=0.8,
        signals=("a",),
        notes=("a note.",),
    )


def test_without_controls_of_two_kinds_it_says_what_it_takes(tmp_path: Path) -> None:
    found = triaged(small_audit(tmp_path / "run"))
    assert isinstance(found, Missing)
    assert "To get it: audit with --plant triage" in found.why
    lacking = triaged(make_run(tmp_path / "imported"))
    assert isinstance(lacking, Missing)
    assert "'outputs.logits' is not recorded" in lacking.why


def test_what_the_command_left_is_used(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    keep(run, "triage", made(run.ids))
    found = triaged(run)
    assert isinstance(found, Triaged)
    assert found.verdicts == {
        "made-00": "label_noise",
        "made-01": "label_noise",
        "made-02": "ambiguous",
        "made-03": "label_noise",
    }
    assert found.counts == (("label_noise", 2), ("ambiguous", 1))
    assert found.accuracy is None
    assert "byrote triage" in found.notes[0]


def test_its_own_verdicts_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(tmp_path / "run")
    monkeypatch.setattr(module, "triage", lambda run: made(run.ids))
    found = triaged(run)
    assert isinstance(found, Triaged)
    assert found.accuracy == pytest.approx((0.75 + 1) / 2)
    assert found.accuracy_stderr == pytest.approx(0.5 * np.sqrt((4 * 2 + 5 * 1) / 6**3))
    assert found.alike == ()
    assert found.counts == (("label_noise", 2), ("ambiguous", 1))
    monkeypatch.setattr(module, "MOST_EXAMPLES", 10)
    many = triaged(run)
    assert isinstance(many, Missing)
    assert "byrote triage RUN, and then byrote report RUN" in many.why
