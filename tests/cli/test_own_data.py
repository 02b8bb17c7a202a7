"""Data of one's own through the command line: audited, resumed, changed and reported again."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace

import numpy as np
import pytest

from byrote.cli import sources as experiments
from byrote.cli.app import main
from byrote.cli.sources import experiment, rebuild, run_name
from byrote.recipes.defaults import recipe_for
from byrote.runs.run import Run

HOSTILE = "</script><script>alert(1)</script>\x1b[2J\u202e"


@pytest.fixture
def byrote(monkeypatch, capsys, tmp_path):
    """Commands in a folder with a table, with training cut short."""
    rng = np.random.default_rng(0)
    kinds = ["=cmd()", HOSTILE]
    rows = [
        f'r{i},p{i % 25},{rng.normal() + 3 * (i % 2):.3f},{["red", "blue", ""][i % 3]},"{kinds[i % 2]}"'
        for i in range(75)
    ]
    (tmp_path / "mine.csv").write_text("\n".join([f'key,person,x,"{HOSTILE}",kind', *rows]) + "\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(experiments, "recipe_for", lambda data, **said: replace(recipe_for(data, **said), epochs=4))

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["byrote", *map(str, words)])
        status = 0
        try:
            main()
        except SystemExit as end:
            status = int(end.code or 0)
        said = capsys.readouterr()
        return status, said.out, said.err

    return call


AUDIT = ("audit", "mine.csv", "--target", "kind", "--group", "person", "--id", "key", "--models", "4", "--workers", "1")


def test_a_table_from_audit_to_changed_report(byrote, tmp_path):
    assert byrote(*AUDIT)[0] == 0
    run = Run.open("runs/mine")
    data = experiments.with_source(run).dataset
    member = run.design.member[run.models()]
    for person in np.unique(data.groups):
        rows = data.groups == person
        assert (member[:, rows] == member[:, rows][:, :1]).all()
    np.testing.assert_array_equal(member[0::2] + member[1::2], 1)
    shards = sorted(path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors"))
    assert byrote(*AUDIT)[0] == 0
    assert sorted(path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")) == shards
    assert byrote("change", "runs/mine", "--with", "remove-most-memorized=0.1", "--workers", "1")[0] == 0
    child = Run.open("runs/mine+remove-most-memorized=0.1")
    assert child.design.parameters["groups"] > 1
    assert byrote("report", "runs/mine")[0] == 0
    for folder in ("runs/mine", child.folder):
        page = (tmp_path / folder / "report.html").read_text()
        assert "<script>alert" not in page
        assert not set(page) & set("\x1b\u202e")
        assert "=cmd()" in page


@pytest.mark.slow
def test_another_reading_is_another_run(byrote):
    assert byrote(*AUDIT)[0] == 0
    status, _, said = byrote(*AUDIT[:4], "--models", "4", "--workers", "1")
    assert status == 2
    assert "dataset" in said


@pytest.mark.slow
def test_a_table_that_moved_or_changed(byrote, tmp_path):
    assert byrote(*AUDIT)[0] == 0
    (tmp_path / "elsewhere").mkdir()
    table = (tmp_path / "mine.csv").rename(tmp_path / "elsewhere" / "mine.csv")
    status, _, said = byrote("report", "runs/mine")
    assert status == 2
    assert "What this run was made from is gone" in said
    table.rename(tmp_path / "mine.csv").write_text((tmp_path / "mine.csv").read_text().replace("red", "amber"))
    status, _, said = byrote("report", "runs/mine")
    assert status == 2
    assert "dataset" in said


@pytest.mark.slow
def test_halves_of_groups_when_the_audit_stops_by_itself(byrote):
    status, _, said = byrote(*AUDIT[:-4], "--workers", "1", "--stderr", "0.3", "--models", "12")
    assert status == 0, said
    run = Run.open("runs/mine")
    assert set(run.design.member[run.models()].sum(1)) <= {len(run.ids) // 2, -(-len(run.ids) // 2)}


@pytest.mark.slow
def test_what_is_said_first(byrote):
    said = byrote("audit", "mine.csv", "--target", "kind", "--models", "4", "--workers", "1")[2]
    assert "The column 'key' is left out: it looks like an id" in " ".join(said.split())
    assert any("'key' is left out" in note for note in Run.open("runs/mine").manifest.notes)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["audit", "mine.csv"], "Which column of the table 'mine.csv' is the class?"),
        (["audit", "mine.csv", "--target", "sort"], "no column 'sort' for the target"),
        (["audit", "digits", "--group", "person"], "--group person is for a table, and 'digits' is none"),
        (["audit", "mine.csv", "--target", "kind", "--members", "m.csv"], "--weights and --members go together"),
        (["audit", "mine.xlsx", "--target", "kind"], "--target kind is for a table"),
        (["plan", "mine.csv"], "Which column of the table"),
        (["forgetting", "mine.csv"], "Which column of the table"),
    ],
)
def test_what_is_refused(byrote, words, said):
    status, _, heard = byrote(*words)
    assert status == 2
    assert said in " ".join(heard.split())


@pytest.mark.parametrize("reading", [{"target": "kind"}, {"target": "kind", "group": "person", "heldout": 0.4}])
def test_a_source_is_built_again(byrote, reading):
    made = experiment(
        "mine.csv", data_dir=None, plants=("label-noise=0.1",), seed=2, reading=experiments.Reading(**reading)
    )
    again = rebuild(made.source, {})
    assert again.dataset.fingerprint() == made.dataset.fingerprint()
    assert again.heldout.fingerprint() == made.heldout.fingerprint()
    assert again.source == made.source


def test_run_folders_stay_in_runs(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path / "data")
    assert [run_name(name) for name in (".", "..", "/", "a/b.tsv.gz", "../x.parquet")] == [
        "data",
        tmp_path.name,
        "data",
        "b",
        "x",
    ]


@pytest.mark.slow
def test_a_number_and_its_performance(byrote, tmp_path):
    rng = np.random.default_rng(1)
    lines = [f"{x:.3f},{50 + 9 * x:.2f},p{i % 20}" for i, x in enumerate(rng.normal(size=60))]
    (tmp_path / "houses.csv").write_text("\n".join(["size,price,street", *lines]))
    audit = ("audit", "houses.csv", "--target", "price", "--group", "street", "--models", "8", "--workers", "1")
    status, said, heard = byrote(*audit)
    assert status == 0, heard
    assert "is learned as a number (--task regression)" in " ".join(said.split())
    assert byrote(*audit)[0] == 0  # the same command finds the same data
    asked = ("measure", "runs/houses", "counterfactual_memorization", "--performance")
    assert "from 8 models" in " ".join(byrote(*asked, "within-tolerance=5")[1].split())
    assert "'r2' is a figure of many examples" in " ".join(byrote(*asked, "r2")[2].split())
    refused = byrote("measure", "runs/houses", "lira", "--performance", "squared-error")[2]
    assert "--performance is for counterfactual_memorization" in " ".join(refused.split())
    status, said, heard = byrote("attack", "runs/houses")
    assert status == 0, heard
    assert "lira[residual] on 8 models, each with 6 reference models, over 16 groups." in " ".join(said.split())
    assert "Groups with the highest membership risk" in said
    assert byrote("report", "runs/houses")[0] == 0


@pytest.mark.slow
def test_several_labels(byrote, tmp_path):
    rng = np.random.default_rng(1)
    rows = [f"{x:.3f},{'yes' if x > 0 else 'no'},{i % 2}" for i, x in enumerate(rng.normal(size=60))]
    (tmp_path / "tags.csv").write_text("\n".join(["size,red,round", *rows]))
    labels = ("--target", "red", "--target", "round", "--models", "4", "--workers", "1", "--balanced")
    status, _, heard = byrote("audit", "tags.csv", *labels)
    assert status == 0, heard
    run = Run.open("runs/tags")
    assert run.manifest.source["reading"]["target"] == ["red", "round"]
    assert run.class_names[-1] == "another set of labels"
    assert run.manifest.identity["recipe"]["objective"]["slot"] == "BinaryCrossEntropy"
    assert experiments.with_source(run).dataset.task == "labels"


@pytest.mark.slow
def test_a_run_is_verified_where_its_data_are_not(byrote, tmp_path):
    rng = np.random.default_rng(0)
    rows = [f"{a:.3f},{b:.3f},{'x' if a > 0 else 'y'}" for a, b in rng.normal(size=(40, 2))]
    (tmp_path / "gone.csv").write_text("\n".join(["a,b,kind", *rows]), "utf-8")
    options = ("--target", "kind", "--models", "4", "--workers", "1", "--epochs", "2")
    assert byrote("audit", "gone.csv", *options)[0] == 0
    assert "all that was checked follows from the evidence" in byrote("verify", "runs/gone")[1]
    manifest = tmp_path / "runs/gone/manifest.json"
    whole = json.loads(manifest.read_text("utf-8"))
    source = {**whole["source"], "reading": {**whole["source"]["reading"], "heldout": 0.3}}
    manifest.write_text(json.dumps({**whole, "source": source, "checksum": None}), "utf-8")
    status, said, _ = byrote("verify", "runs/gone")
    assert status == 1
    assert said.startswith("manifest.json: ")
    manifest.write_text(json.dumps(whole), "utf-8")
    (tmp_path / "gone.csv").unlink()
    status, said, _ = byrote("verify", "runs/gone")
    assert status == 0
    assert "Not checked: report.html: it may show the data, which are not at hand" in " ".join(said.split())
    twin = tmp_path / "runs/gone/report.json"
    twin.write_text(re.sub(r'("value": )0\.\d+', r"\g<1>0.987", twin.read_text("utf-8"), count=1), "utf-8")
    status, said, _ = byrote("verify", "runs/gone")
    assert status == 1
    assert "report.json: it does not fit the digest that it carries." in said
