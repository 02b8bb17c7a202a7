"""What cannot be: each gets one sentence and a hint, and ends with status 2."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from byrote.cli.app import main
from byrote.runs.run import Run
from cli.test_commands import EXPERIMENT, call
from runs.readers.folders import LABELS, OTHERS, c_scores, leakpro, mi_lira, privacy_meter


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """An experiment, runs of 4 models in pairs and of a single one, weights, and members in every state."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "mine.py").write_text(EXPERIMENT)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for words in (["--models", "4", "--keep-weights", "--out", "four"], ["--design", "full-data", "--out", "one"]):
            patch.setattr(sys, "argv", ["byrote", "audit", "mine.py", "--workers", "1", *words])
            with pytest.raises(SystemExit) as end:
                main()
            assert not end.value.code
    run = Run.open(folder / "four")
    weights = run.evidence.block("weights", 0, 0)
    save_file({name: torch.from_numpy(array.copy()) for name, array in weights.items()}, folder / "w.safetensors")
    ids, member = run.ids.tolist(), run.design.member[0].tolist()
    told = {
        "fine": [*zip(ids, member, strict=True)],
        "all": [(name, 1) for name in ids],
        "none": [(name, 0) for name in ids],
        "twice": [*zip(ids, member, strict=True), (ids[0], member[0])],
        "strange": [*zip(ids, member, strict=True), ("nobody", 1)],
        "words": [(ids[0], "yes"), (ids[1], 0)],
    }
    for name, rows in told.items():
        with (folder / f"{name}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("example", "member"), *rows])
    (folder / "columns.csv").write_text("id,member\nx,1\n")
    (folder / "same_ids.py").write_text(
        "import byrote, mine\nfrom mine import recipe\ndef dataset():\n    d = mine.dataset()\n"
        "    return byrote.from_arrays(d.inputs, d.targets, ids=['a', *d.ids[1:-1], 'a'])\n"
    )
    np.save(folder / "labels.npy", LABELS)
    np.save(folder / "others.npy", OTHERS)
    np.save(folder / "words.npy", np.array(["a", "b"]))
    mi_lira(folder / "lira")
    privacy_meter(folder / "meter")
    leakpro(folder / "leakpro")
    c_scores(folder / "c.npz")
    return folder


@pytest.fixture
def byrote(monkeypatch, capsys, project):
    monkeypatch.chdir(project)
    return lambda *words: call(monkeypatch, capsys, *words)


def target(members: str) -> list[str]:
    return ["audit", "mine.py", "--weights", "w.safetensors", "--members", members, "--out", "target"]


@pytest.mark.parametrize(
    ("words", "sentence", "hint"),
    [
        (["audit", "mine.py", "--models", "2"], "2 models trained with it and 2 without it. Got 2.", "--models 64"),
        (
            ["attack", "four"],
            "at least 4 reference models, apart from a target and the other model of its pair. Got 2.",
            "--models 64",
        ),
        (["attack", "four", "--with", "rmia"], "RMIA needs at least 4 reference models", "at least 6 models in pairs"),
        (["onion", "four"], "at least 24 models in pairs", "--models 64"),
        (["attack", "one"], "has no ensemble to attack", "--models 64"),
        (["calibrate", "one"], "has no models of role 'reference'", "--models 64"),
        (["audit", "mine.py", "--design", "thirds"], "There is no design 'thirds'", "half-subset-pairs"),
        (["audit", "mine.py", "--design", "ratio-grid", "--models", "64"], "a multiple of 9 models", "--models 72"),
        (["audit", "mine.py", "--design", "two-splits", "--stderr", ".1"], "give no design", "leave out stderr"),
        (target("all.csv"), "No example is known to be a non-member", "name both"),
        (target("none.csv"), "No example is known to be a member", "name both"),
        (target("twice.csv"), "The id 'mine-0000' stands in 'twice.csv' 2 times", "every example once"),
        (target("strange.csv"), "1 ids of 'strange.csv' are not in the dataset", "ids look like"),
        (target("words.csv"), "Membership must be 1 or 0. Got 'yes' in row 2", "leave out the examples"),
        (target("columns.csv"), "has the columns id, member", "'example'"),
        (target("gone.csv"), "There is no file 'gone.csv' of members", "check the path"),
        (target("w.safetensors"), "'w.safetensors' is not a table of members", "--members a CSV"),
        (["attack", "fine.csv"], "'fine.csv' is a file, not a run folder", "folder that `byrote audit` wrote"),
        (["attack", "foor"], "The folder 'foor' is not a run", "did you mean 'four'?"),
        (["attack", "four", "--with", "lossattack"], "no attack 'lossattack'", "did you mean 'loss_attack'?"),
        (["check", "four", "--fail-if", "label_memorisation.mean > 1"], "no measure", "'label_memorization'?"),
        (["read", "c_score", "fine.csv", "--out", "x"], "is not a file of NumPy arrays", "`byrote audit` takes tables"),
        (["read", "feldman_zhang", "fine.csv", "--out", "x"], "is not a file of NumPy arrays", ".npz"),
        (["read", "leakpro", "meter", "--out", "x"], "holds no logits of shadow models", "sm_0_logits.npy"),
        (["read", "privacy_meter", "leakpro", "--out", "x"], "holds no signals", "run_mia.py"),
        (["audit", "same_ids.py"], "ids must be unique, but 1 is repeated ('a')", ""),
        (["read", "mi_lira_2021", "lira", "--out", "x", "--labels", "others.npy"], "are not those given", "one order"),
        (["read", "c_score", "c.npz", "--out", "x", "--labels", "others.npy"], "are not those given", "one order"),
        (["read", "leakpro", "leakpro", "--out", "x", "--labels", "others.npy"], "shuffled ones", "into the order"),
        (["read", "leakpro", "leakpro", "--out", "x"], "carry no labels, and none were given", "--labels labels.npy"),
        (["read", "privacy_meter", "meter", "--out", "x"], "carry no labels", "--labels labels.npy"),
        (["read", "leakpro", "leakpro", "--out", "x", "--labels", "words.npy"], "must hold whole numbers", "np.save"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_one_sentence_and_status_2(byrote, project, words, sentence, hint):
    status, _, said = byrote(*words)
    said = " ".join(said.split())
    assert status == 2, said
    assert sentence in said
    assert hint in said
    assert "Hint:" in said or not hint
    assert "Traceback" not in said
    assert not (project / "x").exists()
    assert not (project / "target").exists()


@pytest.mark.slow
def test_members_may_stand_in_any_order(byrote, project):
    lines = (project / "fine.csv").read_text().splitlines()
    (project / "reversed.csv").write_text("\n".join([lines[0], *lines[:0:-1]]))
    tables = []
    for name in ("fine", "reversed"):
        status, _, said = byrote(*target(f"{name}.csv")[:-1], name, "--models", "8", "--workers", "1")
        assert status == 0, said
        tables.append((project / name / "results" / "target-lira.parquet").read_bytes())
    assert tables[0] == tables[1]


def test_a_balanced_design_without_pairs(byrote):
    status, said, error = byrote("read", "mi_lira_2021", "lira", "--out", "balanced", "--labels", "labels.npy")
    assert status == 0, error
    assert "Balanced design without pairs" in said
    for attack in ("lira", "rmia"):
        status, _, error = byrote("attack", "balanced", "--with", attack)
        error = " ".join(error.split())
        assert status == 2
        assert "Every example is in exactly 3 of 6 models and no pairs are known" in error
        assert "Hint: name the pairs" in error


def test_released_values_say_what_they_are(byrote):
    assert byrote("read", "c_score", "c.npz", "--out", "values")[0] == 0
    for words in (["report", "values"], ["attack", "values"], ["compare", "values"], ["calibrate", "values"]):
        status, _, said = byrote(*words)
        assert status == 2
        assert "holds released values (c_score.consistency_score) and no models" in " ".join(said.split())
    status, _, said = byrote("card", "values", "values")
    assert status == 2
    assert "holds no models, so it cannot be compared" in " ".join(said.split())


def test_a_single_model_is_a_run(byrote):
    run = Run.open("one")
    assert run.design.models == 1
    assert (run.design.member == 1).all()
    status, said, _ = byrote("measure", "one", "cumulative_sample_loss", "--role", "full")
    assert status == 0
    assert "from 1 model" in said


@pytest.mark.slow
def test_two_splits_say_what_they_measure(byrote):
    status, said, error = byrote("audit", "mine.py", "--design", "two-splits", "--models", "8", "--workers", "1")
    assert status == 0, error
    said = " ".join(said.split())
    assert "Label memorization is undefined for all 240 examples: every model was trained on it" in said
    assert "ordered by second_split_forgetting_time" in said
    assert "undefined (the statistic" not in said
    assert byrote("measure", "runs/mine", "second_split_forgetting_time")[0] == 0


@pytest.mark.slow
def test_a_grid_says_for_how_many_examples_it_has_no_answer(byrote):
    words = ["--design", "ratio-grid", "--models", "36", "--workers", "1", "--out", "grid", "--plant", "none"]
    status, said, error = byrote("audit", "mine.py", *words)
    assert status == 0, error
    share = np.isnan(Run.open("grid").measure("consistency_score").values).mean()
    sentence = f"undefined for {share:.1%} of the examples, most often because: every model trained on 90%"
    assert 0.5 < share < 0.99
    assert f"consistency_score: {sentence}" in " ".join(said.split())
    assert sentence in " ".join(byrote("measure", "grid", "consistency_score")[1].split())


def test_a_check_that_cannot_be_made_leaves_a_junit_file(byrote):
    assert byrote("check", "four", "--fail-if", "loudness.mean > 1", "--junit", "check.xml")[0] == 2
    assert "<error message=\"There is no measure 'loudness'." in Path("check.xml").read_text()


def test_no_plan_is_made_of_language_models(byrote):
    status, _, error = byrote("plan", "docs")
    assert status == 2
    assert "not language models" in " ".join(error.split())
