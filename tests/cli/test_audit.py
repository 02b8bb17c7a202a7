from __future__ import annotations

import sys

import numpy as np
import pytest

import byrote
import byrote.cli.app
import byrote.engine.planning
from byrote.analyses import catalog
from byrote.analyses.label_errors import self_tested
from byrote.cli.audit import _self_test
from byrote.cli.options import Training
from byrote.engine.planning import Expected, Plan
from byrote.errors import BadInput, TooFewModels
from byrote.results import Scalar, Table
from small import blobs, small_audit

ONE = Training(workers=1)


@pytest.fixture
def run(tmp_path):
    return small_audit(tmp_path / "run", dataset=blobs(), models=4, full=0)


def test_an_audit_tests_its_models_once(run, capsys, monkeypatch):
    asked = []

    def ask(run, name, *, lab, seed):
        asked.append((name, lab.workers, lab.device, seed))
        share = Scalar(value=0.8, stderr=0.1, low=0.5, high=0.9, models=4, examples=20)
        table = Table(rows={"labels": ("made wrong",)}, figures={"flagged": (share,)}, notes=("16 of 20.",))
        catalog.keep(run, name, table)
        return table

    monkeypatch.setattr(catalog, "ask", ask)
    _self_test(run, Training(workers=1, seed=7))
    _self_test(run, Training(workers=1, seed=7))
    assert capsys.readouterr().out == "Self-test: 16 of 20.\n"
    assert self_tested(run).value == 0.8
    assert asked == [("self_test", 1, None, 7)]


def test_labels_that_were_planted_in_the_data_are_the_test(tmp_path, monkeypatch):
    monkeypatch.setattr(catalog, "ask", None)
    noisy = small_audit(tmp_path / "run", models=4, full=0)
    _self_test(noisy, ONE)
    assert self_tested(noisy) is None


@pytest.mark.parametrize("error", [TooFewModels, BadInput])
def test_why_there_is_no_self_test_is_said_and_the_audit_goes_on(run, capsys, monkeypatch, error):
    def refused(*_, **__):
        raise error("1 of 4 models diverged.", hint="lower the rate.")

    monkeypatch.setattr(catalog, "ask", refused)
    _self_test(run, ONE)
    assert capsys.readouterr().out == "No self-test: 1 of 4 models diverged.\n"
    assert self_tested(run) is None


@pytest.mark.parametrize(("words", "said"), [((), True), (("--no-self-test",), False), (("--target", "x"), False)])
def test_a_plan_says_what_the_self_test_takes(tmp_path, capsys, monkeypatch, words, said):
    rng = np.random.default_rng(0)
    rows = [f"{rng.normal():.3f},{rng.normal():.3f},{'ab'[row % 2]}" for row in range(60)]
    (tmp_path / "mine.csv").write_text("\n".join(["x,y,kind", *rows]) + "\n")
    expected = Expected(models=64, seconds=136.0, disk=1, error=0.1, worst_error=0.2)
    planned = Plan(expected=expected, full=2, workers=1, memory=1, how="", pilot="", stops="", others=(expected,))
    monkeypatch.setattr(byrote.engine.planning, "plan", lambda *_, **__: planned)
    target = words if "--target" in words else ("--target", "kind", *words)
    monkeypatch.setattr(sys, "argv", ["byrote", "plan", str(tmp_path / "mine.csv"), *target])
    with pytest.raises(SystemExit, match="0"):
        byrote.cli.app.main()
    assert ("trains 4 models more, in about 8 seconds" in " ".join(capsys.readouterr().out.split())) == said


@pytest.mark.parametrize("words", [(), ("--no-looks",)])
def test_who_stops_an_audit_keeps_the_report_of_the_last_look(run, tmp_path, capsys, monkeypatch, words):
    def stopped(dataset, recipe, *, look, progress, **_):
        assert (look is None) == bool(words)
        if look is not None:
            look(run.so_far([0, 1, 2, 3]), 1000.0)
        raise KeyboardInterrupt

    monkeypatch.setattr(byrote, "audit", stopped)
    (tmp_path / "mine.csv").write_text("x,kind\n" + "".join(f"{row}.5,{'ab'[row % 2]}\n" for row in range(40)))
    monkeypatch.setattr(sys, "argv", ["byrote", "audit", str(tmp_path / "mine.csv"), "--target", "kind", *words])
    with pytest.raises(SystemExit, match="130"):
        byrote.cli.app.main()
    said = " ".join(capsys.readouterr().err.split())
    page = run.folder / "report.html"
    assert page.is_file() != bool(words)
    assert (f"The report of the last look stays: {page}" in said.replace("/ ", "/")) != bool(words)
    assert ("after 4 of 4 models" in said) != bool(words)
    assert "Stopped. Finished work is saved" in said
