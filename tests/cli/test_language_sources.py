from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

import byrote.cli.language_sources as module
from byrote.cli.app import app
from byrote.cli.language_sources import docs, documents, with_documents
from byrote.cli.sources import with_source
from byrote.errors import BadInput, RunMismatch
from byrote.runs.run import Run
from documents import SUMMING, small_language_audit

pytest.importorskip("transformers", reason="the package transformers is not installed")
RUNNER = CliRunner()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "docs_recipe", lambda *_, **__: SUMMING)
    texts = [f"the {animal} sat on the mat" for animal in ("cat", "dog", "emu", "cat", "cat")]
    for name, some in (("c.jsonl", texts), ("h.jsonl", ["a bird in the tree"])):
        (tmp_path / name).write_text(
            "".join(json.dumps({"text": text, "id": f"{i}"}) + "\n" for i, text in enumerate(some))
        )
    return tmp_path


def audited(*more: str) -> Run:
    arguments = ["audit", "--corpus", "c.jsonl", "--heldout", "h.jsonl", "--out", "run", "--workers", "1"]
    done = RUNNER.invoke(app, [*arguments, "--device", "cpu", *more], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "Report: run/report.html" in done.output
    return Run.open("run")


def test_a_corpus_of_ones_own_is_audited_changed_and_compared(folder):
    run = audited()
    assert run.ids.tolist() == ["0", "1", "2", "3", "4", "heldout-0"]
    found = with_source(run)
    assert found.corpus.texts[-1] == "a bird in the tree"
    done = RUNNER.invoke(app, ["change", "run", "--with", "remove-exact-duplicates"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "loss on held-out texts" in done.output
    assert (folder / "run+remove-exact-duplicates=1/report.html").exists()
    done = RUNNER.invoke(app, ["card", "run", "run+remove-exact-duplicates=1"], catch_exceptions=False)
    assert "loss on held-out texts" in done.output
    done = RUNNER.invoke(app, ["report", "run+remove-exact-duplicates=1", "--show-secrets"], catch_exceptions=False)
    assert "Next-token accuracy: " in done.output
    with pytest.raises(BadInput, match="was made by a change"):
        with_documents(Run.open("run+remove-exact-duplicates=1"))
    (folder / "d.csv").write_text("example,action\n1,remove\n3,remove\n2,review\n")
    done = RUNNER.invoke(app, ["apply", "run", "d.csv", "--out", "cleaned.jsonl"], catch_exceptions=False)
    assert "1: remove" in done.output
    assert "2 applied, 1 left to review." in done.output
    assert (folder / "cleaned.jsonl").read_text().splitlines() == [
        line for row, line in enumerate((folder / "c.jsonl").read_text().splitlines()) if row not in (1, 3)
    ]
    assert (
        (folder / "cleaned.jsonl.decisions.csv").read_text().startswith("example,action,label,new_label\n1,remove,,\n")
    )


def test_probes_by_name_with_the_audit_and_after_it(folder):
    run = audited("--keep-weights", "--probe", "generations,prefix=2,suffix=2")
    assert run.lengths == (2, 2)
    done = RUNNER.invoke(app, ["probe", "run", "decoding,temperature=0.5"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "Recorded: run/evidence/decoding" in done.output
    assert "probabilistic_extraction[decoding]" in done.output
    assert run.evidence.header("decoding", 0, 0)["probe"] == "decoding,temperature=0.5"
    assert "decoding" in Run.open("run").manifest.evidence


def test_other_documents_or_another_recipe_are_refused(folder, monkeypatch):
    run = audited()
    (folder / "h.jsonl").write_text('{"text": "an owl in the tree"}\n')
    with pytest.raises(RunMismatch, match="made from other documents"):
        with_documents(run)
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    with pytest.raises(RunMismatch, match="made from other settings of the training"):
        with_documents(run)


def test_runs_from_python_are_changed_there(tmp_path):
    with pytest.raises(BadInput, match="was made from Python") as refused:
        with_documents(small_language_audit(tmp_path))
    assert "byrote.change" in refused.value.hint


def test_the_docs_are_the_same_each_time():
    one, other = docs(0), docs(0)
    assert one.training.fingerprint() == other.training.fingerprint()
    assert one.heldout.fingerprint() == other.heldout.fingerprint()
    assert one.source == {"kind": "docs", "seed": 0}


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(BadInput, match="There is no file"):
        documents(tmp_path / "c.jsonl", heldout=None, column="text", canaries=None)
