from __future__ import annotations

import dataclasses
import json
import re
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from byrote.cli.app import app, main
from byrote.cli.language import print_report
from byrote.cli.language_sources import docs_recipe
from byrote.data.python_docs import planted_docs, python_docs, split
from byrote.data.tokenizers import byte_pairs, encoder
from byrote.engine.language import audit_language
from byrote.errors import BadInput
from byrote.recipes.networks.tiny_gpt import TinyGPT
from byrote.report.language_facts import language_facts
from byrote.report.language_report import write_language_report
from byrote.report.language_summary import language_sentences
from byrote.report.language_words import known_secrets
from byrote.report.verify import verify
from byrote.runs.run import Run
from documents import LOOK_UP, small_language_audit, words
from few_docs import few_docs

pytest.importorskip("transformers", reason="the package transformers is not installed")
RUNNER = CliRunner()


@pytest.mark.slow
def test_a_small_audit_of_the_docs_finds_what_was_repeated_and_no_controls(tmp_path):
    corpus = python_docs().subset(np.arange(40))
    tokenizer = byte_pairs(split(corpus)[0].texts, vocabulary=400)
    docs = planted_docs(corpus, encode=encoder(tokenizer), repeat=(64,), level=2, paragraphs=1)
    recipe = dataclasses.replace(docs_recipe(5), network=TinyGPT(layers=2, width=64, heads=2, hidden=128))
    run = audit_language(
        docs.training, recipe, heldout=docs.heldout, canaries=docs.canaries, tokenizer=tokenizer, out=tmp_path,
        length=128, checkpoints=2, workers=1, progress=False, device="cpu", notes=docs.notes,
    )  # fmt: skip
    exposure = run.measure("exposure")
    assert (exposure.values[exposure.repetitions == 64] > 7).all()
    assert (exposure.values[exposure.repetitions == 0] < 7).all()
    page, facts = write_language_report(run)
    lines = language_sentences(run, facts)
    assert lines[0].startswith("Next-token accuracy: ")
    assert any(line.startswith("Mean exposure of canaries in bits") for line in lines)
    assert any(line.startswith("Greedy generation confirms") for line in lines)
    text = "\n".join(lines) + page.read_text("utf-8")
    assert docs.canaries is not None
    assert not any(canary.secret in text for canary in docs.canaries)
    assert verify(Run.open(run.folder)) == []
    shown, _ = write_language_report(run, show_secrets=True)
    assert all(canary.secret in shown.read_text("utf-8") for canary in docs.canaries)
    assert verify(Run.open(run.folder)) == []
    whole = run.measure("unintended_memorization")
    known, planted = known_secrets(facts)
    assert whole.value == known / planted


def test_a_summary_without_anything_held_out(tmp_path):
    run = small_language_audit(tmp_path, heldout=None)
    lines = language_sentences(run, language_facts(run))
    assert lines[0].endswith("no document is known to be held out.")
    assert "No text is long enough to test for extraction" in "\n".join(lines)


def test_a_summary_of_pairs(tmp_path):
    run = small_language_audit(tmp_path, models=4, checkpoints=0)
    lines = language_sentences(run, language_facts(run))
    assert lines[0].startswith("Next-token accuracy, mean over 4 models: ")
    assert any(line.startswith("Counterfactual memorization, from 4 models") for line in lines)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["audit"], "An audit needs a source."),
        (
            ["audit", "digits", "--corpus", "c.jsonl"],
            "An audit takes either a source or a language model. Got 'digits'",
        ),
        (["audit", "--model", "m"], "--corpus is missing: byrote needs the documents that model 'm' was trained on."),
        (["audit", "docs", "--probe", "last_layer"], "The probe 'last_layer' is not for language models."),
        (["audit", "docs", "--probe", "decoding:top_k=x"], "The setting 'top_k=x' of the probe decoding cannot be"),
        (["audit", "docs", "--probe", "decoding:top_p=2"], "The 'top_p' argument of decoding must lie in (0, 1]."),
        (["audit", "docs", "--epsilon"], "--epsilon is not for this audit of a language model."),
        (["audit", "docs", "--canaries", "16"], "--canaries is not for this audit of a language model."),
        (
            ["audit", "--model", "m", "--corpus", "c.jsonl", "--members", "m.csv", "--weights", "w.safetensors"],
            "--weights and --members are not for this audit of a language model.",
        ),
        (
            ["audit", "--model", "m", "--corpus", "c.jsonl", "--canaries", "16"],
            "For a language model, --canaries must be a file that `byrote plant` wrote beside the documents. Got '16'.",
        ),
        (["audit", "--corpus", "c.jsonl", "--heldout", "0.3"], "--heldout must be a file of documents"),
        (["forgetting", "docs", "--canaries", "900"], "paragraphs can be injected. Got 900."),
        (["forgetting", "docs", "--repetitions", "x"], "Repetitions must be whole numbers. Got 'x'."),
        (["audit", "--corpus", "nothing.jsonl"], "There is no file 'nothing.jsonl'."),
        (["audit", "digits", "--heldout", "x.jsonl"], "The option --heldout takes a number. Got 'x.jsonl'."),
        (["plant", "c.jsonl", "--out", "o.jsonl", "--repeat", "1,x"], "Repetitions must be whole numbers. Got '1,x'."),
        (["plant", "c.jsonl", "--out", "o.jsonl", "--canaries", "3"], "3 canaries are fewer than the 8 numbers"),
    ],
)
def test_bad_input_ends_with_status_2(arguments, sentence, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["byrote", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert sentence in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "runs").exists()


def test_a_model_that_is_nowhere_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.txt").write_text("One document.")
    done = RUNNER.invoke(app, ["audit", "--model", "nowhere", "--corpus", "c.txt"])
    assert "There is no folder 'nowhere', and no model of that name could be loaded." in str(done.exception)


@pytest.mark.parametrize("command", ["triage", "onion", "calibrate"])
def test_commands_for_other_networks_say_what_works(command, language_run):
    done = RUNNER.invoke(app, [command, str(language_run.folder)])
    assert isinstance(done.exception, BadInput)
    assert f"is one of a language model, and `byrote {command}` is for other networks." in str(done.exception)
    assert f"`byrote measure {language_run.folder} discoverable_extraction`" in str(done.exception)


def test_an_attack_on_few_models_has_errors_about_documents(language_run):
    done = RUNNER.invoke(app, ["attack", str(language_run.folder)])
    assert done.exit_code == 0, done.output
    assert "text_loss_attack on" in done.output
    assert "not about other models" in " ".join(done.output.split())
    assert (language_run.folder / "results" / "attack-text_loss_attack.json").exists()


def test_a_warning_where_what_was_held_out_is_known_better(language_run, monkeypatch, capsys):
    run, facts = language_run, language_facts(language_run)
    better = dataclasses.replace(facts.outside, value=0.9, low=0.8, high=1.0)
    worse = dataclasses.replace(facts.inside, value=0.2, low=0.1, high=0.3)
    page = write_language_report(run)[0]
    for inside, warned in ((worse, True), (better, False)):
        shown = dataclasses.replace(facts, inside=inside, outside=better)
        monkeypatch.setattr(
            "byrote.report.language_report.write_language_report", lambda *_, at=(page, shown), **__: at
        )
        print_report(run)
        assert (
            "Warning: documents that the model was trained on are predicted worse" in capsys.readouterr().out
        ) == warned


@pytest.fixture(scope="module")
def language_run(tmp_path_factory):
    return small_language_audit(tmp_path_factory.mktemp("language") / "run", checkpoints=0)


def test_planting_keeps_the_documents_and_writes_the_secrets_beside_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.jsonl").write_text("".join(json.dumps({"text": f"document {i}"}) + "\n" for i in range(5)))
    command = ["plant", "c.jsonl", "--out", "out.jsonl", "--canaries", "6", "--repeat", "1,4"]
    done = RUNNER.invoke(app, command)
    assert done.exit_code == 0, done.output
    texts = [json.loads(line)["text"] for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    canaries = json.loads((tmp_path / "canaries.json").read_text())["canaries"]
    assert len(texts) == 5 + 2 * (1 + 4)
    assert {f"document {i}" for i in range(5)} <= set(texts)
    assert not any(canary["secret"] in done.output for canary in canaries)
    again = RUNNER.invoke(app, command)
    assert "is there already" in str(again.exception)
    beside = RUNNER.invoke(app, [*command[:3], "other.jsonl", *command[4:]])
    assert "'canaries.json' is there already" in str(beside.exception)
    elsewhere = RUNNER.invoke(app, [*command[:3], "planted/other.jsonl", *command[4:]])
    assert "--out planted/other.jsonl" in str(beside.exception)
    assert elsewhere.exit_code == 0, elsewhere.output


@pytest.mark.slow
def test_the_audit_of_the_docs_as_a_person_runs_it(tmp_path, monkeypatch, capsys):
    """From the command to its card, on few of the paragraphs."""
    few_docs(monkeypatch)
    monkeypatch.chdir(tmp_path)

    def said(*words):
        monkeypatch.setattr(sys, "argv", ["byrote", *words, "--workers", "1"])
        with pytest.raises(SystemExit) as end:
            main()
        assert end.value.code == 0
        return " ".join(capsys.readouterr().out.split())

    audited = said("audit", "docs", "--width", "64", "--epochs", "20", "--out", "runs/docs")
    assert "Next-token accuracy: " in audited
    assert "Mean exposure of canaries in bits" in audited
    rows = said("change", "runs/docs", "--with", "remove-exact-duplicates")
    for row in ("extraction of texts that stood more often", "exposure of planted canaries", "loss on held-out texts"):
        assert row in rows
    before, after = re.search(r"exposure of canaries that stood 64 times ([\d.]+)\D+([\d.]+)", rows).groups()
    assert float(before) > 7 > float(after), rows


def test_an_attack_tells_of_documents_where_persons_stand_on_both_sides(tmp_path):
    """Of the same persons some documents are trained on and others are held out."""
    corpus, heldout = (
        documents.replace(groups=np.array([f"p{number // 3}" for number in range(len(documents))]))
        for documents in (words(), words(6, seed=1, name="others"))
    )
    small_language_audit(
        tmp_path, corpus=corpus, heldout=heldout, recipe=LOOK_UP, models=1, checkpoints=0, generate=None
    )
    done = RUNNER.invoke(app, ["attack", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert "Persons or documents are not judged as a whole." in done.output
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["attack-text_loss_attack.json"]
