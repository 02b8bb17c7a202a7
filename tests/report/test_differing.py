from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from byrote.cli.app import app
from byrote.evidence.manifest import differing
from byrote.report.differing import difference, settings
from byrote.runs.run import Run
from documents import small_language_audit
from report.made import make_run
from small import longer, small_audit

RUNNER = CliRunner()


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run]:
    folder = tmp_path_factory.mktemp("runs")
    made = small_audit(folder / "one"), small_audit(folder / "other", recipe=longer(7), seed=1)
    for run in made:
        run.measure("label_memorization")
    return made


def edited(run: Run, folder: Path, **changes: object) -> Run:
    """The run in another folder, with another manifest."""
    shutil.copytree(run.folder, folder)
    dataclasses.replace(run.manifest, **changes).write(folder)  # type: ignore[arg-type]
    return Run.open(folder)


def test_a_run_and_a_copy_of_it_are_the_same(runs: tuple[Run, Run], tmp_path: Path) -> None:
    copy = edited(runs[0], tmp_path / "copy", created="2020-01-01T00:00:00+00:00")
    assert difference(runs[0], copy).same
    done = RUNNER.invoke(app, ["diff", str(runs[0].folder), str(copy.folder)])
    assert done.exit_code == 0
    assert "The runs are the same." in done.output


def test_another_recipe_and_seed_are_named(runs: tuple[Run, Run]) -> None:
    found = {(one.subject, one.name): (one.before, one.after) for one in settings(*runs)}
    assert found["recipe", "epochs"] == ("6", "7")
    assert found["run", "seed"] == ("0", "1")
    assert ("run", "models with a seed of its own") in found
    done = RUNNER.invoke(app, ["diff", *(str(run.folder) for run in runs)])
    assert done.exit_code == 1
    assert "not necessarily the cause" in " ".join(done.output.split())
    assert "label_memorization" in done.output


def test_scores_are_compared_by_id(tmp_path: Path) -> None:
    one, other = make_run(tmp_path / "one"), make_run(tmp_path / "other", fit=-3.0)
    results = [run.measure("label_memorization").values for run in (one, other)]  # type: ignore[union-attr]
    (scores,) = difference(one, other).scores
    assert scores.name == "label_memorization"
    assert scores.different == int((results[0] != results[1]).sum())
    assert scores.largest == pytest.approx(np.abs(results[0] - results[1]).max())


def test_versions_and_machine_count(runs: tuple[Run, Run], tmp_path: Path) -> None:
    environment = json.loads(json.dumps(runs[0].manifest.environment))
    environment["packages"]["torch"] = "1.0"
    copy = edited(runs[0], tmp_path / "copy", environment=environment)
    (found,) = settings(runs[0], copy)
    assert (found.subject, found.name, found.after) == ("versions and machine", "packages.torch", "1.0")


def test_runs_of_different_data_say_why_figures_are_not_compared(runs: tuple[Run, Run], tmp_path: Path) -> None:
    text = small_language_audit(tmp_path / "text")
    found = difference(runs[0], text)
    assert "only one is of language models" in found.incomparable
    assert not found.same
    names = {(one.subject, one.name) for one in found.settings}
    assert ("dataset", "examples that the other has not") in names
    done = RUNNER.invoke(app, ["diff", str(runs[0].folder), str(text.folder)])
    assert done.exit_code == 1
    assert "Their figures are not compared" in done.output


def test_trouble_ends_with_status_2(runs: tuple[Run, Run], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import sys
    from unittest import mock

    from byrote.cli.app import main

    command = ["byrote", "diff", str(runs[0].folder), str(tmp_path)]
    with mock.patch.object(sys, "argv", command), pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert "is not a run" in capsys.readouterr().err


def test_trees_that_differ_in_their_leaves() -> None:
    one, other = {"a": {"b": 1, "c": [1]}, "d": 2}, {"a": {"b": 2, "c": [1]}, "e": None}
    assert list(differing(one, other)) == [("a.b", 1, 2), ("d", 2, None)]
