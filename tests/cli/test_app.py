from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from byrote.cli.app import main

EXPERIMENT = """
import numpy as np
import torch
import byrote


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(2, 16), torch.nn.ReLU(), torch.nn.Dropout(0.1), torch.nn.Linear(16, 3)
        )

    def forward(self, x):
        return self.layers(x)


def dataset():
    rng = np.random.default_rng(0)
    targets = np.arange(48) % 3
    inputs = rng.normal(size=(48, 2)) + 4 * np.array([[0, 0], [1, 0], [0, 1]])[targets]
    return byrote.from_arrays(inputs.astype("float32"), targets, class_names=("a", "b", "c"))


def recipe():
    return byrote.Recipe(network=byrote.Network(Net), epochs=4, batch_size=8)
"""


def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["byrote", *map(str, words)])
    monkeypatch.setenv("COLUMNS", "200")
    status = 0
    try:
        main()
    except SystemExit as end:
        status = int(end.code or 0)
    said = capsys.readouterr()
    return status, said.out, said.err


@pytest.fixture
def byrote(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    return lambda *words: call(monkeypatch, capsys, *words)


@pytest.mark.slow
def test_a_file_of_ones_own_from_audit_to_card(byrote, tmp_path: Path) -> None:
    Path("mine.py").write_text(EXPERIMENT)
    status, out, err = byrote("audit", "mine.py", "--models", 6, "--workers", 2, "--plant", "label-noise=0.1")
    assert status == 0, err
    assert "label memorization >= 0.25" in out
    assert "torch.nn.Dropout, which cannot be stacked" in err
    assert Path("runs/mine/report.html").is_file()
    table = pq.read_table("runs/mine/results/label_memorization.parquet")
    assert {"example", "value", "stderr", "members", "nonmembers", "reason"} <= set(table.column_names)
    assert table.num_rows == 48
    controls = pq.read_table("runs/mine/controls.parquet")
    assert controls.column_names == ["example", "kind", "original"]
    assert controls.num_rows == 5

    assert byrote("measure", "runs/mine", "forgetting_events", "--top", 3)[0] == 0
    status, out, err = byrote("change", "runs/mine", "--with", "remove-most-memorized=0.1", "--workers", 1)
    assert status == 0, err
    assert "→" in out
    status, out, _ = byrote("card", "runs/mine", "runs/mine+remove-most-memorized=0.1")
    assert status == 0
    assert "accuracy on non-members" in out
    assert byrote("report", "runs/mine+remove-most-memorized=0.1", "--figures", "figures")[0] == 0
    assert {"distribution.png", "distribution.svg", "training.svg"} <= {path.name for path in Path("figures").iterdir()}

    status, _, err = byrote("audit", "mine.py", "--models", 8, "--plant", "label-noise=0.1")
    assert status == 2
    assert "belongs to another audit" in err
    assert "models was 8, now 10" in err


def test_the_catalog_is_listed_and_shown(byrote) -> None:
    status, out, _ = byrote("measures")
    assert status == 0
    assert "cumulative_sample_loss[presentation]" in out
    assert "generalization" in out
    status, out, _ = byrote("measures", "label_memorization")
    assert status == 0
    for word in ("Formula", "2008.03703", "outputs.correct, design.member", "section 2.1", "differential"):
        assert word in out


def test_doctor_tells_versions_and_speed(byrote) -> None:
    status, out, _ = byrote("doctor")
    assert status == 0
    assert re.search(r"matrix product\s+\d+ GFLOP/s", out)
    assert "torch" in out


def bad_arrays(body: str) -> str:
    head = "import byrote, numpy as np\ndef recipe():\n    return byrote.Recipe(network=byrote.MLP())\n"
    return f"{head}def dataset():\n    {body}\n"


@pytest.mark.parametrize(
    ("files", "words", "sentence", "hint"),
    [
        ({}, ["audit", "nothing"], "There is no source 'nothing'", "digits, fashion-mnist, "),
        ({}, ["audit", "fashion-mnist"], "needs the folder of its four idx .gz files", "--data-dir"),
        ({}, ["audit", "fashion-mnist", "--data-dir", "."], "train-images-idx3-ubyte.gz", ""),
        ({}, ["audit", "gone.py"], "There is no file 'gone.py'", ""),
        ({"x.py": "def dataset(): pass"}, ["audit", "x.py"], "does not define recipe()", "byrote.Recipe"),
        ({"x.py": "x = 1"}, ["audit", "x.py"], "does not define dataset() and recipe()", ""),
        ({"x.py": "def ("}, ["audit", "x.py"], "raised SyntaxError", ""),
        ({"x.py": "1 / 0"}, ["audit", "x.py"], "raised ZeroDivisionError: division by zero (line 1)", ""),
        ({"x.py": bad_arrays("return 3")}, ["audit", "x.py"], "must return a byrote.Dataset. Got int", "from_arrays"),
        (
            {"x.py": bad_arrays("return byrote.from_arrays(np.full((9, 2), np.nan), np.arange(9) % 3)")},
            ["audit", "x.py"],
            "NaN",
            "",
        ),
        (
            {"x.py": bad_arrays("return byrote.from_arrays(np.ones((9, 2)), np.arange(9) % 3 - 1)")},
            ["audit", "x.py"],
            "label",
            "",
        ),
        (
            {"x.py": bad_arrays("return byrote.from_arrays(np.ones((9, 2)), np.arange(8) % 3)")},
            ["audit", "x.py"],
            "9",
            "",
        ),
        ({"x.py": EXPERIMENT}, ["audit", "x.py", "--models", "2"], "at least 4", "--models 64"),
        ({"x.py": EXPERIMENT}, ["audit", "x.py", "--models", "5"], "even number", "--models 6"),
        (
            {"x.py": EXPERIMENT},
            ["audit", "x.py", "--plant", "spice=0.1"],
            "'spice=0.1' cannot be planted",
            "label-noise",
        ),
        ({"x.py": EXPERIMENT}, ["audit", "x.py", "--plant", "label-noise=2"], "label-noise", ""),
        ({"x.py": EXPERIMENT}, ["audit", "x.py", "--plant", "label-noise=x"], "must be a number. Got 'x'", ""),
        (
            {"x.py": EXPERIMENT.replace("Linear(2, 16)", "Linear(5, 16)")},
            ["audit", "x.py"],
            "does not take the dataset's inputs of shape (2,)",
            "",
        ),
        ({}, ["measure", ".", "label_memorization"], "is not a run", "byrote audit"),
        ({"manifest.json": "{"}, ["report", "."], "cannot be read as a manifest", ""),
        ({"manifest.json": json.dumps({"schema": "99"})}, ["report", "."], "schema version '99'", ""),
        ({}, ["measures", "loudness"], "There is no measure 'loudness'", "label_memorization"),
        ({}, ["measures", "label_memorisation"], "no measure", "did you mean 'label_memorization'?"),
    ],
)
def test_bad_input_gets_one_sentence_and_status_2(
    byrote,
    files: dict[str, str],
    words: list[str],
    sentence: str,
    hint: str,
) -> None:
    for name, content in files.items():
        Path(name).write_text(content)
    status, _, err = byrote(*words)
    assert status == 2
    joined = " ".join(err.split())
    assert sentence in joined
    assert "Traceback" not in err
    assert hint in joined
    if hint:
        assert "Hint:" in err


def test_a_run_made_from_python_cannot_be_changed_by_the_command_line(byrote, tmp_path: Path) -> None:
    from small import small_audit

    run = small_audit(tmp_path / "run")
    status, _, err = byrote("change", run.folder, "--with", "weight-decay=0.1")
    assert status == 2
    assert "was made from Python" in " ".join(err.split())
    status, _, err = byrote("change", run.folder, "--with", "magic")
    assert status == 2
    assert "There is no change 'magic'" in err
    values = run.measure("label_memorization").values  # type: ignore[union-attr]
    status, out, _ = byrote("measure", run.folder, "label_memorization", "--top", 1)
    assert status == 0
    assert f"{np.nanmax(values):.3g}" in out


def test_version(byrote):
    status, said, _ = byrote("--version")
    assert status == 0
    assert re.fullmatch(r"byrote \d+\.\d+\S*\n", said)


def test_help_lists_what_can_be_planted_and_changed(byrote):
    from byrote.changes.registry import CONTROLS, changes

    status, said, _ = byrote("audit", "--help")
    assert status == 0
    assert all(control.name in said for control in CONTROLS)
    status, said, _ = byrote("change", "--help")
    assert status == 0
    assert all(name in said for name in changes())
