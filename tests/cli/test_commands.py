"""The commands around a run, by what a person sees and what they leave behind."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import save_file

from byrote.cli.app import main
from byrote.runs.run import Run

pytestmark = pytest.mark.slow  # they ask a run of 25 models; single analyses have tests of their own

EXPERIMENT = """
import numpy as np
import byrote


def dataset():
    rng = np.random.default_rng(0)
    targets = np.arange(240) % 3
    inputs = rng.normal(size=(240, 20)) + 2 * np.eye(3, 20)[targets]
    return byrote.from_arrays(inputs.astype("float32"), targets, name="mine", class_names=("a", "b", "c"))


def recipe():
    return byrote.Recipe(network=byrote.MLP(hidden=(32,)), epochs=8, batch_size=16, optimizer=byrote.SGD(lr=0.1))
"""


def call(monkeypatch, capsys, *words):
    monkeypatch.setattr(sys, "argv", ["byrote", *map(str, words)])
    status = 0
    try:
        main()
    except SystemExit as end:
        status = int(end.code or 0)
    said = capsys.readouterr()
    return status, said.out, said.err


@pytest.fixture
def byrote(monkeypatch, capsys, audited):
    monkeypatch.chdir(audited)
    return lambda *words: call(monkeypatch, capsys, *words)


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    """A folder with an experiment and a run of 24 + 1 models of it."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "mine.py").write_text(EXPERIMENT)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        words = ["audit", "mine.py", "--models", "24", "--workers", "1", "--plant", "triage"]
        patch.setattr(sys, "argv", ["byrote", *words])
        with pytest.raises(SystemExit) as end:
            main()
        assert not end.value.code
    return folder


def test_compare_sets_scores_beside_each_other(byrote):
    status, said, _ = byrote("compare", "runs/mine")
    assert status == 0
    assert "cumulative_sample_loss" in said
    assert "reliability" in said
    rows = pq.read_table("runs/mine/results/comparison.parquet").to_pylist()
    assert {"rank_correlation", "top_recall", "auroc.label_noise"} <= {row["figure"] for row in rows}
    assert all(row["low"] <= row["value"] <= row["high"] for row in rows if row["low"] == row["low"])


def test_calibrate_refuses_what_is_too_small(byrote):
    status, _, said = byrote("calibrate", "runs/mine")
    assert status == 2
    assert "takes 390 examples" in said.replace("\n", " ")


def test_triage_tells_kinds_apart(byrote):
    status, said, error = byrote("triage", "runs/mine")
    if status == 2:  # so small a run may not memorize ten of two kinds; then it says what to plant
        assert "--plant" in error
        return
    assert "Planted examples: accuracy" in said
    assert (Path("runs/mine/results") / "triage.parquet").is_file()


def test_attack_prints_figures_with_a_null(byrote):
    status, said, _ = byrote("attack", "runs/mine")
    assert status == 0
    assert "swapped at random" in said
    kept = json.loads(Path("runs/mine/results/attack-lira.json").read_text())
    assert 0.5 < kept["figures"]["auc"]["value"] <= 1
    assert kept["references"] == 22
    assert "reason" in kept["figures"]["tpr_at_fpr_0.001"]


def test_an_attack_that_is_none(byrote):
    status, _, said = byrote("attack", "runs/mine", "--with", "label_memorization")
    assert status == 2
    assert "is no membership attack" in said.replace("\n", " ")


@pytest.mark.slow
def test_onion_compares_four_arms(byrote):
    status, said, _ = byrote("onion", "runs/mine", "--workers", "1", "--share", "0.1")
    assert status == 0
    assert "Mean membership risk of the layer below" in said
    assert "the one below" in said
    assert {path.name for path in Path("runs/mine-onion").iterdir()} == {"plain", "random", "riskiest"}
    assert "Report: runs/mine/report.html" in said
    assert json.loads(Path("runs/mine/report.json").read_text())["onion"] is not None
    status, said, _ = byrote("verify", "runs/mine")
    assert status == 0, said


def test_forgetting_tells_after_how_many_epochs(byrote):
    status, said, _ = byrote(
        "forgetting", "mine.py", "--models", "8", "--canaries", "40", "--repetitions", "1,4", "--workers", "1"
    )
    assert status == 0
    assert "epochs since" in said


def test_forgetting_with_what_cannot_be(byrote):
    assert byrote("forgetting", "mine.py", "--repetitions", "one")[0] == 2
    assert byrote("forgetting", "mine.py", "--with", "rmia")[0] == 2
    assert byrote("forgetting", "mine.py", "--canaries", "200")[0] == 2


def test_epsilon_is_bounded_by_one_training(byrote):
    status, said, _ = byrote("audit", "mine.py", "--epsilon", "--canaries", "60", "--workers", "1")
    assert status == 0
    assert "Epsilon is at least" in said
    assert "guesses" in said
    assert "Its Gaussian bound is" in said
    run = Run.open("runs/mine-epsilon")
    assert run.design.models == 1
    table = pq.read_table("runs/mine-epsilon/results/epsilon.parquet")
    assert len(table) == 60
    assert "Table: runs/mine-epsilon/results/epsilon.parquet" in said


@pytest.mark.slow
def test_a_trained_model_as_the_target(byrote):
    run = Run.open("runs/mine")
    made = byrote("audit", "mine.py", "--models", "8", "--workers", "1", "--keep-weights", "--out", "runs/weights")
    assert made[0] == 0
    kept = Run.open("runs/weights")
    weights = kept.evidence.block("weights", 0, 0)
    save_file({name: torch.from_numpy(array.copy()) for name, array in weights.items()}, "weights.safetensors")
    with Path("members.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["example", "member"])
        writer.writerows(zip(kept.ids, kept.design.member[0].tolist(), strict=True))
    status, said, _ = byrote(
        "audit", "mine.py", "--target", "weights.safetensors", "--members", "members.csv", "--models", "8",
        "--workers", "1",
    )  # fmt: skip
    assert status == 0
    assert "on the target with 8 reference models" in said
    assert "Risk describes the example, whether or not the target was trained on it" in " ".join(said.split())
    said = " ".join(byrote("attack", "runs/mine-target")[1].split())
    assert "the reference models, not the target that was brought" in said
    assert "runs/mine-target/results/target-lira.parquet" in said
    assert pq.read_table("runs/mine-target/results/target-lira.parquet").num_rows == len(kept.ids)
    assert len(run.ids) != len(kept.ids)


def test_target_and_members_go_together(byrote):
    status, _, said = byrote("audit", "mine.py", "--target", "weights.safetensors")
    assert status == 2
    assert "go together" in said


def test_a_released_file_becomes_a_run(byrote, tmp_path):
    np.savez(tmp_path / "scores.npz", scores=np.array([0.1, 0.9, 0.5]), labels=np.array([0, 1, 0]))
    status, said, _ = byrote("read", "c_score", tmp_path / "scores.npz", "--out", tmp_path / "run")
    assert status == 0
    assert "imported" in said


def test_probabilities_go_to_cleanlab(byrote):
    status, _, _ = byrote("export", "cleanlab", "runs/mine", "probabilities.npz")
    assert status == 0
    with np.load("probabilities.npz", allow_pickle=False) as file:
        np.testing.assert_allclose(file["pred_probs"].sum(1), 1, rtol=1e-5)
    assert byrote("export", "elsewhere", "runs/mine", "x.npz")[0] == 2
