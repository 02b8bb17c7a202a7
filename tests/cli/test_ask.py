"""Commands that ask and change by name, on a small experiment of a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import byrote
from byrote.analyses.catalog import find_analysis
from byrote.cli.app import app
from byrote.cli.ask import COPY, _hint_of
from byrote.errors import RunMismatch
from byrote.evidence.manifest import refuse_mismatch
from byrote.runs.run import Run

EXPERIMENT = """
import numpy as np
import byrote

def dataset():
    rng = np.random.default_rng(0)
    targets = np.arange(40) % 2
    inputs = (rng.normal(size=(40, 2)) + 3 * targets[:, None]).astype(np.float32)
    return byrote.from_arrays(inputs, targets, name="two", class_names=("a", "b"))

def recipe():
    return byrote.Recipe(network=byrote.MLP(hidden=(8,)), epochs=3, batch_size=8)
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an experiment and its run `runs/two`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "two.py").write_text(EXPERIMENT)
    say("audit", "two.py", "--models", "4", "--plant", "none")
    return tmp_path


def say(*words: str) -> str:
    told = CliRunner().invoke(app, [*words, "--workers", "1"] if words[0] in ("audit", "change") else list(words))
    if told.exception is not None and not isinstance(told.exception, SystemExit):
        raise told.exception
    assert told.exit_code == 0, told.output
    return told.output


@pytest.mark.slow
def test_several_changes_about_named_examples_with_a_seed_of_their_own(project: Path) -> None:
    before = Run.open("runs/two")
    Path("ids.txt").write_text("\n".join(before.ids[:3].tolist()))
    told = say(
        "change", "runs/two", "--with", "gradient-ascent=1,rate=0.1", "--with", "weight-decay=0.01",
        "--forget", "ids.txt", "--seed", "5", "--out", "runs/after",
    )  # fmt: skip
    assert "label memorization of the examples to forget" in told
    after = Run.open("runs/after")
    assert after.manifest.parent is not None
    assert after.manifest.parent["forget"] == before.ids[:3].tolist()
    assert [one["name"] for one in after.manifest.parent["change"]["changes"]] == ["weight-decay", "gradient-ascent"]
    assert after.manifest.identity["seed"] == 5
    page = Path("runs/after/report.html").read_text("utf-8")
    assert "weight-decay, a change of the recipe" in page
    assert "then gradient-ascent, a change of the models" in page


def test_an_analysis_is_asked_and_a_procedure_trains(project: Path) -> None:
    told = say("ask", "runs/two", "check", "--set", "conditions=members.accuracy < 0; label_memorization.mean > 2")
    assert "members.accuracy < 0 does not hold" in told
    assert Path("runs/two/results/check.parquet").is_file()
    told = say("ask", "runs/two", "second_split", "--set", "models=4", "--set", "epochs=1", "--workers", "1")
    assert "Run: runs/two-second-split" in told
    assert len(Run.open("runs/two-second-split").design.phases) == 2
    assert np.array_equal(Run.open("runs/two-second-split").ids, Run.open("runs/two").ids)
    with pytest.raises(RunMismatch, match="give another folder with --set out=FOLDER, or remove this one"):
        say("ask", "runs/two", "second_split", "--set", "models=6", "--set", "epochs=1", "--workers", "1")
    assert say("verify", "runs/two").endswith("follows from the evidence.\n")


def test_help_lists_the_analyses() -> None:
    assert "comparison" in say("ask", "--help")


def test_no_command_that_asks_an_analysis_prints_by_itself() -> None:
    """What is asked of runs is printed from the blocks of its section, by one printer."""
    folder = Path(byrote.cli.__file__).parent
    printing = {path.stem for path in folder.glob("*.py") if "print_table(" in path.read_text("utf-8")}
    measures_and_settings = {"app", "differences", "language", "plan", "study", "trace"}
    assert printing == {"answers", "ask"} | measures_and_settings


def test_a_hint_at_a_folder_names_what_the_procedure_has() -> None:
    with pytest.raises(RunMismatch) as refused:
        refuse_mismatch(Path("there"), {"seed": 0}, {"seed": 1})
    of = {name: _hint_of(find_analysis(name), refused.value.hint) for name in ("onion", "backdoor_defences")}
    assert of["onion"] == "give another folder with --set out=FOLDER, or remove this one."
    assert of["backdoor_defences"] == f"{COPY}, or remove the folder that is named here."
    assert _hint_of(find_analysis("onion"), "audit again with --out") == "audit again with --out"
