"""Runs of others: what their manifests name is neither run nor looked for before the person gives it."""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import byrote as package
from byrote import audit
from byrote.cli.app import main
from byrote.cli.sources import experiment
from byrote.runs.run import Run

PROGRAM = """
from pathlib import Path
import numpy as np
import byrote

Path(__file__).with_name("ran").touch()


def dataset():
    rng = np.random.default_rng(0)
    return byrote.from_arrays(rng.normal(size=(60, 2)).astype("float32"), np.arange(60) % 3, name="mine")


def recipe():
    return byrote.Recipe(network=byrote.MLP(hidden=(4,)), epochs=1)
"""
#: Every command that builds again what a run was made from, and the status it ends with where it must not.
GO_ON, REFUSED = 0, 2
COMMANDS = {
    ("verify",): GO_ON,
    ("report",): GO_ON,
    ("triage",): REFUSED,  # for want of controls, and not of the source
    ("change", "--with", "weight-decay=0.1"): REFUSED,
    ("onion",): REFUSED,
}

Say = Callable[..., tuple[int, str]]


@pytest.fixture
def byrote(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Say:
    """Runs a command in this process; its status and what it printed, in one line."""

    def call(*words: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["byrote", *words])
        status = 0
        try:
            main()
        except SystemExit as end:
            status = int(end.code or 0)
        said = capsys.readouterr()
        return status, " ".join((said.out + said.err).split())

    return call


@pytest.fixture(scope="module")
def passed_on(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run, and beside it the program that it was made from, as somebody else passes it on."""
    folder = tmp_path_factory.mktemp("passed on")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BYROTE_STATE", str(folder / "state of its maker"))
        (folder / "mine.py").write_text(PROGRAM)
        made = experiment(str(folder / "mine.py"), data_dir=None, plants=None, seed=0)
        how = {"models": 4, "workers": 1, "progress": False, "source": made.source}
        audit(made.dataset, made.recipe, out=folder / "run", **how)
    (folder / "ran").unlink()
    return folder


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_the_program_of_a_run_of_others_is_not_run(
    passed_on: Path, byrote: Say, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.chdir(passed_on)
    status, said = byrote(words[0], "run", *words[1:])
    assert status == COMMANDS[words], said
    assert "This run was not made here, so byrote does not run 'mine.py'" in said
    assert "--source FILE" in said
    assert not (passed_on / "ran").exists()


@pytest.mark.slow
def test_where_it_was_made_and_where_its_source_was_given_once_it_is_run(
    passed_on: Path, byrote: Say, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ran = passed_on / "ran"
    monkeypatch.chdir(passed_on)
    with monkeypatch.context() as at_its_maker:
        at_its_maker.setenv("BYROTE_STATE", str(passed_on / "state of its maker"))
        assert byrote("verify", "run")[0] == 0
        assert ran.exists()
        ran.unlink()
    monkeypatch.setenv("BYROTE_STATE", str(tmp_path / "state"))
    (tmp_path / "moved.py").write_text(PROGRAM)
    status, said = byrote("verify", "run", "--source", str(tmp_path / "moved.py"))
    assert (status, ran.exists(), (tmp_path / "ran").exists()) == (0, False, True), said
    (tmp_path / "ran").unlink()
    assert byrote("verify", "run")[0] == 0
    assert (ran.exists(), (tmp_path / "ran").exists()) == (False, True)
    (tmp_path / "ran").unlink()
    (tmp_path / "moved.py").write_text(PROGRAM + "\n# another line\n")
    status, said = byrote("verify", "run")
    assert "is not what this run was made from any more" in said
    assert not (tmp_path / "ran").exists()


def test_what_is_given_must_build_the_same(passed_on: Path, byrote: Say, tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text(PROGRAM.replace("default_rng(0)", "default_rng(1)"))
    status, said = byrote(
        "change", str(passed_on / "run"), "--with", "weight-decay=0.1", "--source", str(tmp_path / "other.py")
    )
    assert status == 2
    assert "was made from something else: dataset.fingerprint" in said


@pytest.mark.slow
def test_data_outside_of_the_folder_are_not_looked_for(
    byrote: Say, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A table that lies elsewhere is not opened for a run of others; in the current folder it is, but for links."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    rng = np.random.default_rng(0)
    rows = [f"{a:.3f},{'x' if a > 0 else 'y'}" for a in rng.normal(size=40)]
    table = tmp_path / "elsewhere" / "table.csv"
    table.write_text("\n".join(["a,kind", *rows]))
    words = ("--target", "kind", "--models", "4", "--workers", "1", "--epochs", "1")
    assert byrote("audit", str(table), *words)[0] == 0
    assert "not at hand" not in byrote("verify", "runs/table")[1]
    monkeypatch.setenv("BYROTE_STATE", str(tmp_path / "state"))
    status, said = byrote("verify", "runs/table")
    assert status == 0
    assert "byrote looks for 'table.csv', which it names, in this folder only" in said
    Path("table.csv").symlink_to(table)
    assert "in this folder only" in byrote("verify", "runs/table")[1]
    Path("table.csv").unlink()
    Path("table.csv").write_bytes(table.read_bytes())
    assert "in this folder only" not in byrote("verify", "runs/table")[1]


@pytest.mark.parametrize(
    "source",
    [
        {},
        {"name": 7},
        {"name": "digits", "data_dir": None, "plants": "x", "seed": 0},
        {"name": "a\0b", "data_dir": None, "plants": [], "seed": 0},
        {"name": "digits", "data_dir": None, "plants": [], "seed": 0, "reading": {"nonsense": 1}},
    ],
)
def test_a_source_that_is_none_is_refused_in_a_sentence(
    passed_on: Path, byrote: Say, tmp_path: Path, source: dict[str, object]
) -> None:
    import shutil

    folder = Path(shutil.copytree(passed_on / "run", tmp_path / "run"))
    content = json.loads((folder / "manifest.json").read_text())
    del content["checksum"]
    (folder / "manifest.json").write_text(json.dumps({**content, "source": source}))
    status, said = byrote("change", str(folder), "--with", "weight-decay=0.1")
    assert status == 2
    assert "The manifest names a source" in said


@pytest.mark.slow
def test_a_run_of_version_010_is_foreign_until_its_source_was_given(
    passed_on: Path, byrote: Say, tmp_path: Path
) -> None:
    import shutil

    folder = Path(shutil.copytree(passed_on / "run", tmp_path / "run"))
    content = json.loads((folder / "manifest.json").read_text())
    for name in ("checksum", "id", "tables"):
        del content[name]
    (folder / "manifest.json").write_text(json.dumps(content))
    (tmp_path / "mine.py").write_text(PROGRAM)
    status, said = byrote("verify", str(folder))
    assert "was not made here" in said
    assert "The tables were not checked by their maker" in said
    assert status == 0
    assert byrote("verify", str(folder), "--source", str(tmp_path / "mine.py"))[0] == 0
    assert "was not made here" not in byrote("verify", str(folder))[1]
    assert Run.open(folder).manifest.id is None


@pytest.mark.slow
def test_nothing_is_unpickled_but_what_a_process_hands_to_its_workers() -> None:
    """Pickles run code. They are made of jobs, in memory, for workers of this very process, and read from no file."""
    source = Path(package.__file__).parent
    users = {"engine/executors.py", "cli/sources.py"}  # the second only says that a module goes by value
    for path in source.rglob("*.py"):
        where, tree = path.relative_to(source).as_posix(), ast.parse(path.read_text("utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = {alias.name for alias in node.names} | {getattr(node, "module", None)}
                assert where in users or not names & {"pickle", "cloudpickle", "joblib", "dill", "shelve"}, where
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                called = f"{getattr(node.func.value, 'id', '')}.{node.func.attr}"
                assert called not in ("torch.load", "pickle.load", "pickle.loads", "cloudpickle.load"), where
                assert called != "cloudpickle.loads" or where == "engine/executors.py"
                allowed = [one.value for one in node.keywords if one.arg == "allow_pickle"]
                assert all(isinstance(one, ast.Constant) and one.value is False for one in allowed), where
                assert called != "np.load" or allowed, f"{where}: np.load must say allow_pickle=False"
