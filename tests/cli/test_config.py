from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from byrote.cli.app import app
from byrote.cli.config import read, text_of
from byrote.errors import BadInput
from byrote.runs.run import Run

EXPERIMENT = """
import numpy as np
import byrote

def dataset():
    rng = np.random.default_rng(0)
    targets = np.arange(40) % 2
    return byrote.from_arrays((rng.normal(size=(40, 2)) + targets[:, None]).astype(np.float32), targets)

def recipe():
    return byrote.Recipe(network=byrote.MLP(hidden=(4,)), epochs=1, batch_size=16)
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(EXPERIMENT)
    return tmp_path


def audit(*words: str) -> None:
    done = CliRunner().invoke(app, ["audit", *words], catch_exceptions=False)
    assert done.exit_code == 0, done.output


@pytest.mark.slow
def test_options_come_from_the_file_of_the_folder_and_the_command_goes_before(here: Path) -> None:
    (here / "byrote.toml").write_text(
        '[audit]\nsource = "mine.py"\nmodels = 6\nseed = 3\nout = "one"\ncheckpoints = 2\n'
    )
    audit("--seed", "4", "--workers", "1")
    run = Run.open(here / "one")
    assert len(run.models()) == 6
    told = tomllib.loads((here / "one" / "audit.toml").read_text("utf-8"))["audit"]
    assert told == {"source": "mine.py", "models": 6, "seed": 4, "out": "one", "checkpoints": 2, "workers": 1}


@pytest.mark.slow
def test_what_an_audit_leaves_repeats_it(here: Path) -> None:
    audit("mine.py", "--models", "4", "--plant", "label-noise=0.1", "--plant", "exact-duplicates=0.1", "--workers", "1")
    (left,) = here.glob("runs/*/audit.toml")
    audit("--config", str(left), "--out", "again")
    one, again = Run.open(left.parent), Run.open(here / "again")
    assert one.manifest.identity == again.manifest.identity
    assert tomllib.loads((here / "again" / "audit.toml").read_text("utf-8"))["audit"]["plant"] == [
        "label-noise=0.1",
        "exact-duplicates=0.1",
    ]


def test_a_program_that_a_run_of_others_names_is_not_run(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    audit("mine.py", "--models", "4", "--workers", "1", "--out", "theirs")
    monkeypatch.setenv("BYROTE_STATE", str(here / "elsewhere"))
    (here / "mine.py").write_text("raise SystemExit('it was run')\n")
    with pytest.raises(BadInput, match=r"names the program 'mine\.py', which is not run for that"):
        audit("--config", "theirs/audit.toml")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("models = 4", r"has no table \[audit\]"),
        ("[audit]\nmodel-count = 4", "names 'model-count', which is not an option of an audit"),
        ("[audit\n", "cannot be read as TOML"),
    ],
)
def test_files_that_cannot_be_used(tmp_path: Path, content: str, says: str) -> None:
    (tmp_path / "byrote.toml").write_text(content)
    with pytest.raises(BadInput, match=says):
        read(tmp_path / "byrote.toml", ["models", "model"])
    with pytest.raises(BadInput, match="There is no file"):
        read(tmp_path / "none.toml", ["models"])


def test_any_text_is_written_so_that_it_is_read_again() -> None:
    told = {"target": ['a "quoted" one', "ü\n\\ \x7f"], "tolerance": 0.5, "balanced": False}
    assert tomllib.loads(text_of(told))["audit"] == told
